package weights

import (
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

// unpickle runs one pickle without storages.
func unpickle(pickle string) (any, error) {
	return newMachine([]byte(pickle), newBudget(len(pickle)), func(any) (any, error) {
		return nil, errors.New("no storages here")
	}).run()
}

func TestPickleValues(t *testing.T) {
	large, _ := new(big.Int).SetString("1606938044258990275541962092341162602522202993782792835301376", 10)
	for _, c := range []struct {
		name, pickle string
		want         any
	}{
		{"none", "N.", nil},
		{"bools", "\x80\x02\x88\x89\x86.", &Tuple{[]any{true, false}}},
		{"bools as text", "(I01\nI00\nl.", &List{[]any{true, false}}},
		{"bytes of integers", "(K\xffM\xff\xffJ\xff\xff\xff\xfft.", &Tuple{[]any{int64(255), int64(65535), int64(-1)}}},
		{"long", "\x8a\x02\x00\xff.", int64(-256)},
		{"long of no bytes", "\x8a\x00.", int64(0)},
		{"long beyond int64", "\x8a\x1a" + strings.Repeat("\x00", 25) + "\x01.", large},
		{"long4", "\x8b\x01\x00\x00\x00\x7f.", int64(127)},
		{"long as text", "L-12L\n.", int64(-12)},
		{"float", "G\x3f\xf8\x00\x00\x00\x00\x00\x00.", 1.5},
		{"float as text", "F-2.5\n.", -2.5},
		{"strings", "(X\x02\x00\x00\x00\xc3\xa5\x8c\x01bU\x01cT\x01\x00\x00\x00dt.", &Tuple{[]any{"å", "b", "c", "d"}}},
		{"bytes", "C\x02\x00\xff.", Bytes("\x00\xff")},
		{"bytes by codecs", "c_codecs\nencode\n(X\x03\x00\x00\x00\x00\xc3\xbfX\x06\x00\x00\x00latin1tR.", Bytes("\x00\xff")},
		{"memo", "]q\x00(h\x00h\x00e0h\x00.", nil}, // contains itself; see below
		{"dict keeps order, last value wins", "}(K\x02NK\x01NK\x02\x88u.",
			&Dict{Keys: []any{int64(2), int64(1)}, Values: []any{true, nil}}},
		{"dict of mark", "(K\x01K\x02d.", &Dict{Keys: []any{int64(1)}, Values: []any{int64(2)}}},
		{"ordered dict with attributes", "ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00aNsb.", &Dict{}},
		{"ordered dict of pairs", "ccollections\nOrderedDict\n]]K\x01aK\x02aa\x85R.", &Dict{Keys: []any{int64(1)}, Values: []any{int64(2)}}},
		{"counter", "ccollections\nCounter\n}K\x05K\x01s\x85R.", &Dict{Keys: []any{int64(5)}, Values: []any{int64(1)}}},
		{"default dict", "ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\x01Ns.", &Dict{Keys: []any{int64(1)}, Values: []any{nil}}},
		{"set", "\x8f(K\x01K\x02\x90.", &Set{[]any{int64(1), int64(2)}}},
		{"set by reduce", "c__builtin__\nset\n](K\x01K\x02e\x85R.", &Set{[]any{int64(1), int64(2)}}},
		{"frozen set", "(K\x01\x91.", &Set{[]any{int64(1)}}},
		{"size", "ctorch\nSize\n(K\x01K\x02t\x85R.", &Tuple{[]any{int64(1), int64(2)}}},
		{"device", "ctorch\ndevice\nX\x04\x00\x00\x00cudaK\x01\x86R.", "cuda:1"},
		{"dtype", "ctorch\nfloat16\n.", "torch.float16"},
		{"dtype that tensors may not have", "ctorch\nuint16\n.", "torch.uint16"},
		{"protocol 4", "\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94h\x00\x86.", &Tuple{[]any{"a", "a"}}},
		{"NumPy float", "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbC\x08\x00\x00\x00\x00\x00\x00\x04\x40\x86R.", 2.5},
		{"NumPy int, big-endian", "cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00i2\x89\x88\x87R(K\x03X\x01\x00\x00\x00>tbC\x02\xff\xfe\x86R.", int64(-2)},
		{"pop and dup", "K\x01K\x022(K\x0310t.", nil}, // not enough for a tuple: see below
	} {
		got, err := unpickle(c.pickle)
		switch c.name {
		case "memo":
			if l, ok := got.(*List); !ok || l.Items[0] != got || err != nil {
				t.Errorf("%s: %v, %v", c.name, got, err)
			}
			continue
		case "pop and dup":
			wantError(t, err, "operands are missing")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d, ok := got.(*Dict); ok {
			d.index = nil
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v, want %#v", c.name, got, c.want)
		}
	}
}

func TestDictFindsManyKeys(t *testing.T) {
	d := &Dict{}
	for range 2 {
		for i := range int64(100) {
			if err := d.set(i, i*i); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d.Len() != 100 {
		t.Errorf("%d entries", d.Len())
	}
	for i := range int64(100) {
		if v, ok := d.Lookup(i); !ok || v != i*i {
			t.Errorf("%d: %v", i, v)
		}
	}
	if _, ok := d.Lookup([]int{}); ok {
		t.Error("found a slice")
	}
}

// TestPickleWithCodeIsRefused is what makes checkpoints from anywhere safe.
func TestPickleWithCodeIsRefused(t *testing.T) {
	command := "X\x07\x00\x00\x00echo no"
	for _, c := range []struct{ name, pickle, want string }{
		{"GLOBAL REDUCE", "cposix\nsystem\n" + command + "\x85R.", "contains code: posix.system"},
		{"GLOBAL alone", "cos\nsystem\n.", "contains code: os.system"},
		{"Windows", "cnt\nsystem\n.", "contains code: nt.system"},
		{"eval", "cbuiltins\neval\n" + command + "\x85R.", "contains code: builtins.eval"},
		{"Python 2's eval", "c__builtin__\neval\n.", "contains code: builtins.eval"},
		{"getattr", "cbuiltins\ngetattr\n.", "contains code: builtins.getattr"},
		{"STACK_GLOBAL", "\x8c\x05posix\x8c\x06system\x93" + command + "\x85R.", "contains code: posix.system"},
		{"STACK_GLOBAL from the memo", "\x8c\x05posix\x94\x8c\x06system\x94\x88h\x00h\x01\x93.", "contains code: posix.system"},
		{"STACK_GLOBAL of numbers", "K\x01K\x02\x93.", "not a string"},
		{"INST", "(" + command + "iposix\nsystem\n.", "contains code: posix.system"},
		{"OBJ", "(cposix\nsystem\n" + command + "o.", "contains code: posix.system"},
		{"OBJ of a string", "(" + command + command + "o.", "calls a string"},
		{"NEWOBJ", "csubprocess\nPopen\n" + command + "\x85\x81.", "contains code: subprocess.Popen"},
		{"NEWOBJ_EX", "ccollections\nOrderedDict\n)}\x92.", "contains code: an object made with keywords"},
		{"BUILD of an object", "c__main__\nEvil\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb.", "contains code: __main__.Evil"},
		{"BUILD of a list", "]}b.", "sets the state of a list"},
		{"BUILD of a dict with attributes that are code", "}}X\x01\x00\x00\x00xcos\nsystem\nsb.", "contains code: os.system"},
		{"EXT1", "\x82\x01.", "contains code"},
		{"EXT2", "\x83\x01\x00.", "contains code"},
		{"EXT4", "\x84\x01\x00\x00\x00.", "contains code"},
		{"attribute of a known class", "ccollections\nOrderedDict.__class__\n.", "contains code: collections.OrderedDict.__class__"},
		{"nested pickle", "ctorch.storage\n_load_from_bytes\n.", "contains code: torch.storage._load_from_bytes"},
		{"call of a class that is only named", "ctorch\nFloatStorage\nK\x01\x85R.", "contains code: a call of torch.FloatStorage"},
		{"call of int", "cbuiltins\nint\nK\x01\x85R.", "contains code: a call of builtins.int"},
		{"call of a string", command + ")R.", "calls a string"},
		{"name with a line break in it", "\x8c\x04a\nb\x07\x8c\x01c\x93.", `contains code: "a\nb\a.c"`},
		{"a whole module", "c__main__\nNet\n.", "contains code: __main__.Net"},
	} {
		_, err := unpickle(c.pickle)
		if err == nil {
			t.Errorf("%s: no error", c.name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q lacks %q", c.name, err, c.want)
		}
		// The same inside files, wherever a pickle stands.
		_, err = OpenBytes("f.pth", torchFile(t, c.pickle))
		wantError(t, err, "f.pth: ", c.want)
		_, err = OpenBytes("f.pth", []byte(legacyHead+"\x80\x02"+c.pickle))
		wantError(t, err, "f.pth: ", c.want)
		_, err = OpenBytes("f.pth", []byte("\x80\x02"+c.pickle))
		wantError(t, err, "f.pth: ", c.want)
	}
}

func TestDamagedPickles(t *testing.T) {
	for _, c := range []struct{ name, pickle, want string }{
		{"empty", "", "truncated"},
		{"no stop", "N", "truncated"},
		{"nothing made", ".", "operands are missing"},
		{"unknown opcode", "\xff", "unknown opcode 0xff"},
		{"newer protocol", "\x80\x09N.", "protocol 9"},
		{"protocol 0", "S'a'\n.", "protocol 0"},
		{"string beyond the end", "X\xff\xff\xff\xffabc.", "truncated"},
		{"8-byte length", "\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "truncated"},
		{"not UTF-8", "X\x01\x00\x00\x00\xff.", "UTF-8"},
		{"long of many bytes", "\x8b\xff\xff\x00\x00" + strings.Repeat("\xff", 65535) + ".", "an integer of 65535 bytes"},
		{"long of many digits", "L" + strings.Repeat("9", 5000) + "\n.", "an integer of 5000 digits"},
		{"not a number", "Ix\n.", "not an integer"},
		{"not a float", "Fx\n.", "not a number"},
		{"memo unknown", "h\x05.", "number 5"},
		{"memo of text", "gx\n.", "memo"},
		{"mark missing", "K\x01t.", "operands are missing"},
		{"operand below a mark", "K\x01(\x85.", "operands are missing"},
		{"append to a dict", "}K\x01a.", "adds items to a dict"},
		{"set in a list", "]K\x01K\x02s.", "of a list"},
		{"odd items", "}(K\x01u.", "of a dict"},
		{"list as key", "}]Ns.", "a list as key"},
		{"arguments not a tuple", "ccollections\nOrderedDict\nK\x01R.", "as arguments"},
		{"unexpected arguments", "ccollections\nOrderedDict\nK\x01\x85R.", "collections.OrderedDict: unexpected arguments"},
		{"storage", "NQ.", "no storages"},
	} {
		_, err := unpickle(c.pickle)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q lacks %q", c.name, err, c.want)
		}
	}
}

func integerPairs(n int64) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(integer(i) + "N")
	}
	return b.String()
}

// TestPickleMemory runs pickles that unfold to far more than their size.
func TestPickleMemory(t *testing.T) {
	items := strings.Repeat("N", 100_000)
	for _, c := range []struct{ name, pickle string }{
		{"copies of a list", "(" + items + "lq\x000" + strings.Repeat("c__builtin__\nset\nh\x00\x85R", 10_000) + "."},
		{"copies of a dict", "}q\x000ccollections\nOrderedDict\nq\x010" +
			"h\x00(" + integerPairs(1000) + "u" + strings.Repeat("h\x01h\x00\x85R", 100_000) + "."},
		{"copies of a string", "c_codecs\nencode\nq\x000" + text(strings.Repeat("a", 100_000)) + "q\x01" + text("latin1") + "q\x02" +
			strings.Repeat("h\x00h\x01h\x02\x86R", 100_000) + "."},
		{"nesting", strings.Repeat("]", 1<<20) + strings.Repeat("a", 1<<20-1) + "."},
		{"tuples in tuples", "N" + strings.Repeat("\x85", 1<<20) + "."},
		{"doubling", "]" + strings.Repeat("2\x86", 1<<20) + "."},
		{"marks", strings.Repeat("(", 1<<20) + "."},
		{"dicts", strings.Repeat("}", 1<<20) + "."},
		{"memo", "N" + strings.Repeat("\x94", 1<<20) + "."},
	} {
		n := allocated(func() { _, _ = unpickle(c.pickle) })
		if limit := 4<<20 + 600*len(c.pickle); n > limit {
			t.Errorf("%s: %d bytes for a pickle of %d", c.name, n, len(c.pickle))
		}
	}
}

// TestOpaqueObjects: what trainers keep beside the tensors opens, though it is only
// carried; what could be code does not.
func TestOpaqueObjects(t *testing.T) {
	for _, c := range []struct{ pickle, class string }{
		{"cpathlib\nPosixPath\n(" + text("a") + text("b") + "tR", "pathlib.PosixPath"},
		{"ccollections\ndeque\n)R(K\x01K\x02e", "collections.deque"},
		{"cargparse\nNamespace\n)\x81" + state(text("lr"), "K\x01") + "b", "argparse.Namespace"},
		{"clightning_fabric.utilities.data\nAttributeDict\n)\x81(" + text("a") + "K\x01u}b", "lightning_fabric.utilities.data.AttributeDict"},
		{"c__builtin__\nxrange\n(K\x00K\x05K\x01tR", "builtins.range"},
		{"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00tR(K\x01tb", "numpy.core.multiarray._reconstruct"},
	} {
		f, err := OpenBytes("f", torchFile(t, state(text("v"), c.pickle)+"."))
		if err != nil {
			t.Errorf("%s: %v", c.class, err)
			continue
		}
		if o, ok := f.Values()["v"].(*Opaque); !ok || o.Class != c.class || len(o.Args)+len(o.Items) == 0 && o.State == nil {
			t.Errorf("%s: %#v", c.class, f.Values()["v"])
		}
	}
	for _, code := range []string{"cposix\nsystem\n", "c__builtin__\neval\n", "cbuiltins\ngetattr\n", "c__main__\nModel\n", "cfunctools\npartial\n", "ctorch.jit\nload\n"} {
		_, err := OpenBytes("f", torchFile(t, state(text("v"), code+")R")+"."))
		wantError(t, err, "contains code: ", "refusing to run it")
	}
}
