// Package nn holds the layers of the codec. A layer declares its parameters
// under their checkpoint keys, derives from them once what its operations read,
// and has one Forward, which serves whole utterances and streams alike (see
// package op).
//
// Forward takes its input: the layer owns the tensor passed in and frees it. A
// caller that needs it afterwards passes r.Borrow(x).
package nn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/facodec-go/facodec/internal/op"
	"github.com/facodec-go/facodec/internal/parallel"
	"github.com/facodec-go/facodec/internal/plural"
	"github.com/facodec-go/facodec/internal/tensor"
	"github.com/facodec-go/facodec/internal/weights"
)

// A Param is one trainable array, under its full checkpoint name and in the
// checkpoint's shape.
type Param struct {
	Name  string
	Shape []int
	// Value and Grad are there in training: row-major, in the checkpoint's shape. A
	// parameter that is Unused has no gradient and never changes.
	Value, Grad []float32
	Unused      bool
	// GradOffset is where in Network.Grads Grad begins.
	GradOffset int
	// Init is how training starts; nil in layers for inference only.
	Init Init
}

// use says that operations that follow may add to the gradient.
func (p *Param) use(r *op.Run) { r.UsesGrad(p.Grad) }

// Len returns the number of values.
func (p *Param) Len() int { return product(p.Shape) }

// A Network is a list of layers that are built and loaded together: the
// parameters they declared and how each derives its packed form.
type Network struct {
	Prefix string // of every parameter's name, without the dot
	Params []*Param
	// Frozen stops the accumulation of the parameters' gradients; gradients still
	// pass through to the network's input.
	Frozen bool
	// Grads holds the gradients of all parameters in training, in the order of Params.
	Grads     []float32
	precision Precision // "" is Exact
	// AlwaysExact makes it compute at Exact whatever SetPrecision asks for: its errors
	// would add up over time.
	AlwaysExact bool
	// Codes says that codes follow from what the network computes: small errors become
	// other codes, and precisions that round keep more of its weights and inputs.
	Codes   bool
	buffers []string
	derive  []func(*Loader) error
	sums    checksums
}

// checksums are those of the parameters that were loaded, by name.
type checksums struct {
	sync.Mutex
	of        map[string]uint32
	notFinite map[string]bool // the parameters with a value that is NaN or infinite
}

// A Builder names parameters while a network is constructed. In returns the
// builder of a part.
type Builder struct {
	net    *Network
	prefix string
	unused bool
}

// NewBuilder starts a network whose parameters begin with prefix, "encoder"
// say.
func NewBuilder(prefix string) *Builder {
	return &Builder{net: &Network{Prefix: prefix}, prefix: prefix}
}

// Network returns what has been built.
func (b *Builder) Network() *Network { return b.net }

// In returns the builder of the part called name, which may be a number.
func (b *Builder) In(name any) *Builder {
	return &Builder{net: b.net, prefix: fmt.Sprintf("%s.%v", b.prefix, name), unused: b.unused}
}

// Unused returns the builder of a part that checkpoints have and that nothing
// runs.
func (b *Builder) Unused() *Builder {
	return &Builder{net: b.net, prefix: b.prefix, unused: true}
}

// param declares a parameter of the part and how training starts it.
func (b *Builder) param(name string, init Init, shape ...int) *Param {
	p := &Param{Name: b.prefix + "." + name, Shape: shape, Unused: b.unused, Init: init}
	b.net.Params = append(b.net.Params, p)
	return p
}

// Buffer declares a key that checkpoints carry and that is computed here.
func (b *Builder) Buffer(name string) {
	b.net.buffers = append(b.net.buffers, b.prefix+"."+name)
}

func (b *Builder) onLoad(f func(*Loader) error) {
	b.net.derive = append(b.net.derive, f)
}

// A Loader provides the values of a layer's parameters, and memory for the packed
// form that the layer derives from them.
type Loader struct {
	src    weights.Source
	region *tensor.Region
	sums   *checksums
	// training is set where parameters are trained, and large weights are packed by
	// the operations that use them.
	training bool
	// precision is how the weights will be used; "" is Exact (see Loader.is).
	precision Precision
	codes     bool // of the network
}

// Values returns the values of p, row-major in the checkpoint's shape. They may
// lie in the mapped file: read-only, and only until the parameter is released.
func (l *Loader) Values(p *Param) ([]float32, error) {
	if l.training {
		return p.Value, nil
	}
	t, ok := l.src.Lookup(p.Name)
	if !ok {
		return nil, fmt.Errorf("missing tensor %s", p.Name)
	}
	v, err := t.Float32()
	if err != nil {
		return nil, err
	}
	// Here, because the pages that this touches are those that the caller is about
	// to read and then releases.
	sum, finite := weights.Checksum(v)
	l.sums.Lock()
	defer l.sums.Unlock()
	l.sums.of[p.Name] = sum
	if !finite {
		l.sums.notFinite[p.Name] = true
	}
	return v, nil
}

// release says that p's values have been used.
func (l *Loader) release(p *Param) {
	if l.training {
		return
	}
	if t, ok := l.src.Lookup(p.Name); ok {
		t.Release()
	}
}

// Load lets every layer derive its packed form from src into region, several
// layers at a time. Check comes first.
func (n *Network) Load(src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	n.sums.of, n.sums.notFinite = make(map[string]uint32, len(n.Params)), map[string]bool{}
	if err := n.deriveAll(&Loader{src: src, region: region, sums: &n.sums, precision: n.precision, codes: n.Codes}, pool); err != nil {
		return err
	}
	return n.checkFinite(n.sums.notFinite)
}

// checkFinite names the first of the parameters that are not finite.
func (n *Network) checkFinite(bad map[string]bool) error {
	if len(bad) == 0 {
		return nil
	}
	const most = 3
	var names []string
	for _, p := range n.Params {
		if bad[p.Name] && len(names) < most {
			names = append(names, p.Name)
		}
	}
	if len(bad) > most {
		names = append(names, "…")
	}
	return fmt.Errorf("NaN or infinite weights in %d of %s of %s (%s): %w; the training that wrote them diverged, or float16 overflowed: take an earlier checkpoint",
		len(bad), plural.Of(len(n.Params), "tensor"), n.Prefix, strings.Join(names, ", "), weights.ErrNotFinite)
}

// LoadForTraining loads the network for training: its parameters get memory of
// region for their values, which are those of src, and for their gradients. Check comes
// first. Refresh must follow every change of the values.
func (n *Network) LoadForTraining(src weights.Source, region *tensor.Region, pool *parallel.Pool) error {
	bad := map[string]bool{}
	for _, p := range n.Params {
		t, ok := src.Lookup(p.Name)
		if !ok {
			return fmt.Errorf("missing tensor %s", p.Name)
		}
		v, err := t.Float32()
		if err != nil {
			return err
		}
		if _, finite := weights.Checksum(v); !finite {
			bad[p.Name] = true
		}
		p.Value = region.Alloc(p.Len())
		copy(p.Value, v)
		t.Release()
	}
	n.allocGrads(region)
	if err := n.checkFinite(bad); err != nil {
		return err
	}
	return n.Refresh(pool)
}

// allocGrads allocates the gradients side by side, each aligned as tensors are.
func (n *Network) allocGrads(region *tensor.Region) {
	total := 0
	for _, p := range n.Params {
		if !p.Unused {
			total += tensor.RoundUp(p.Len())
		}
	}
	n.Grads = region.Alloc(total)
	at := 0
	for _, p := range n.Params {
		if !p.Unused {
			p.Grad, p.GradOffset = n.Grads[at:at+p.Len():at+p.Len()], at
			at += tensor.RoundUp(p.Len())
		}
	}
}

// Refresh recomputes what layers derive from the values of their parameters.
func (n *Network) Refresh(pool *parallel.Pool) error {
	return n.deriveAll(&Loader{training: true}, pool)
}

func (n *Network) deriveAll(l *Loader, pool *parallel.Pool) error {
	var mu sync.Mutex
	var errs []error
	pool.For(len(n.derive), func(i int) {
		if err := n.derive[i](l); err != nil {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		}
	})
	return errors.Join(errs...)
}

// Checksum returns the checksum of a loaded parameter (see weights.Checksum).
func (n *Network) Checksum(p *Param) uint32 { return n.sums.of[p.Name] }

// ErrTensors is wrapped by the error for a checkpoint whose tensors are not
// those of the network.
var ErrTensors = errors.New("the checkpoint's tensors are not those of the network")

// Check compares the names and shapes that src holds below the networks'
// prefixes with what they declared, and names every difference in one error.
// Networks of src that are none of these are left alone.
func Check(src weights.Source, networks ...*Network) error {
	names := src.Names()
	var faults []string
	for _, n := range networks {
		if fault := n.compare(src, names); fault != "" {
			faults = append(faults, fault)
		}
	}
	if faults == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrTensors, strings.Join(faults, "; "))
}

func (n *Network) compare(src weights.Source, names []string) string {
	known := make(map[string]bool, len(n.Params))
	var missing, shaped, unreadable, extra []string
	for _, p := range n.Params {
		known[p.Name] = true
		t, ok := src.Lookup(p.Name)
		switch {
		case !ok:
			missing = append(missing, p.Name)
		case !slices.Equal(t.Shape, p.Shape):
			shaped = append(shaped, fmt.Sprintf("%s is %v and should be %v", p.Name, t.Shape, p.Shape))
		case t.Err() != nil:
			unreadable = append(unreadable, t.Err().Error())
		}
	}
	if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, n.Prefix+".") }) {
		return fmt.Sprintf("there is no network %s, only %s", n.Prefix, prefixes(names))
	}
	for _, name := range names {
		if strings.HasPrefix(name, n.Prefix+".") && !known[name] && !slices.Contains(n.buffers, name) {
			extra = append(extra, name)
		}
	}
	var faults []string
	for _, f := range []struct {
		what string
		keys []string
	}{{"missing", missing}, {"wrong shape", shaped}, {"unreadable", unreadable}, {"not of this network", extra}} {
		if len(f.keys) > 0 {
			faults = append(faults, fmt.Sprintf("%s: %s", f.what, strings.Join(f.keys, ", ")))
		}
	}
	return strings.Join(faults, "; ")
}

// prefixes lists the parts of names before the first dot.
func prefixes(names []string) string {
	const most = 20
	var found []string
	for _, name := range names {
		prefix, _, _ := strings.Cut(name, ".")
		switch {
		case slices.Contains(found, prefix):
		case len(found) == most:
			return strings.Join(found, ", ") + ", …"
		default:
			found = append(found, prefix)
		}
	}
	if found == nil {
		return "no tensors at all"
	}
	return strings.Join(found, ", ")
}
