package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/facodec-go/facodec/internal/eventlog"
	"github.com/facodec-go/facodec/internal/plural"
)

// loop trains step by step.
func (r *run) loop(ctx context.Context) error {
	c, t := r.Config, r.trainer
	total := r.total()
	if !r.done() {
		r.Report("training: %s an epoch, %s", plural.Of(r.perEpoch(), "step"), r.end(total))
	}
	timer := newStepTimer()
	defer r.sayWhereItStops(ctx)()
	if r.pretrained && t.Steps == 0 || r.owesValidation() { // what the run has to improve, or was stopped in
		if err := r.validateAll(ctx); err != nil {
			return err
		}
	}
	before := t.Steps
	interrupted, end := false, ""
	for total == 0 || t.Steps < total {
		f, stop, err := r.prefetcher.next(ctx, total > 0 && t.Steps+1 >= total)
		if err != nil {
			return err
		}
		if stop != goOn {
			if interrupted = stop == stopInterrupted; !interrupted {
				end = "; the time is over, and the same command goes on from there"
			}
			break
		}
		if err := r.step(f); err != nil {
			return err
		}
		if r.firstStep {
			r.firstStep = false
			if err := r.checkReplicas(); err != nil {
				return err
			}
		}
		timer.tick()
		if r.leads() && (t.Steps%c.LogInterval == 0 || t.Steps == 1) {
			if err := r.logStep(timer.last); err != nil {
				return err
			}
		}
		r.progress(timer, total)
		// A process that is killed while it validates, which takes long, keeps its steps: the
		// checkpoint comes first, and who resumes it validates.
		if t.Steps%c.SaveInterval == 0 {
			if err := r.save(); err != nil {
				return err
			}
		}
		if t.Steps%c.Validation.Interval == 0 {
			if err := r.validateAll(ctx); err != nil {
				return err
			}
		}
		timer.resume()
	}
	r.reportTraffic(t.Steps - before)
	if err := r.finish(ctx, interrupted, t.Steps > before); err != nil {
		return err
	}
	if interrupted || ctx.Err() != nil {
		r.Report("stopped at step %d; the same command goes on from %s", t.Steps, r.lastCheckpoint)
		return fmt.Errorf("stopped at step %d: %w", t.Steps, cmp.Or(ctx.Err(), context.Canceled))
	}
	r.Report("step %d: %s%s", t.Steps, r.lastCheckpoint, end)
	return nil
}

// finish leaves a checkpoint of the last step. A run that ends, and is not interrupted, was
// validated, however few steps it had, so that it has a best checkpoint; its last
// checkpoint, which is written before, is written again to know of that.
func (r *run) finish(ctx context.Context, interrupted, stepped bool) error {
	if r.saved.step != r.trainer.Steps {
		if err := r.save(); err != nil {
			return err
		}
	}
	if interrupted {
		return nil
	}
	if stepped && r.validating != r.trainer.Steps {
		if err := r.validateAll(ctx); err != nil {
			return err
		}
	}
	if r.saved != r.mark() {
		return r.save()
	}
	return nil
}

// mark returns how far the run is.
func (r *run) mark() progressMark { return progressMark{r.trainer.Steps, r.validating} }

// done says whether the run has all its steps.
func (r *run) done() bool {
	total := r.total()
	return total > 0 && r.trainer.Steps >= total
}

// owesValidation says whether the run that is resumed was stopped before the validation of
// its step had come to its end.
func (r *run) owesValidation() bool {
	steps := r.trainer.Steps
	return steps > 0 && r.validated < steps && (r.done() || steps%r.Config.Validation.Interval == 0)
}

// total returns the steps of the whole run, 0 for no end.
func (r *run) total() int {
	epochs, _ := r.epochs()
	total := epochs * r.perEpoch()
	if r.Steps > 0 {
		total = min(total, r.Steps)
	}
	return total
}

// epochs returns the epochs of the whole run, and the key that says so.
func (r *run) epochs() (n int, key string) {
	if most := r.Config.Train.MaxEpoch; most > 0 && most < r.Config.Epochs {
		return most, "train.max_epoch"
	}
	return r.Config.Epochs, "epochs"
}

// whyComplete says why a run that is done has no step more, and all that has to change for it to
// get one: the steps that were asked for, the epochs of its experiment, or both.
func (r *run) whyComplete() string {
	steps, perEpoch := r.trainer.Steps, r.perEpoch()
	epochs, _ := r.epochs()
	why, more := "it has "+plural.Of(steps, "step"), fmt.Sprintf("ask for more than %d to train it further", steps)
	if steps < epochs*perEpoch {
		return why + "; " + more
	}
	need := steps/perEpoch + 1
	keys := fmt.Sprintf("an experiment file with epochs of at least %d", need)
	switch most := r.Config.Train.MaxEpoch; {
	case most > 0 && most < need && r.Config.Epochs < need:
		keys = fmt.Sprintf("an experiment file with epochs and train.max_epoch of at least %d", need)
	case most > 0 && most < need:
		keys = fmt.Sprintf("an experiment file with a train.max_epoch of at least %d", need)
	}
	if why += ", those of " + plural.Of(epochs, "epoch"); steps > epochs*perEpoch {
		why = fmt.Sprintf("it has %s, more than the %d of %s", plural.Of(steps, "step"), epochs*perEpoch, plural.Of(epochs, "epoch"))
	}
	if r.Steps > 0 && r.Steps <= steps {
		return why + "; " + more + ", and give " + keys
	}
	return why + "; " + keys + " trains it further"
}

func (r *run) perEpoch() int {
	return max(1, r.prefetcher.loader.BatchesPerEpoch()/r.Config.Train.GradientAccumulationStep)
}

// end says until when is trained.
func (r *run) end(total int) string {
	text := fmt.Sprintf("to step %d", total)
	if r.Steps > total {
		epochs, key := r.epochs()
		text += fmt.Sprintf(", the last of %s (%s)", plural.Of(epochs, "epoch"), key)
	}
	if r.Time > 0 {
		text += fmt.Sprintf(", or for %s", r.Time)
	}
	return text
}

func (r *run) outOfTime() bool { return r.Time > 0 && time.Since(r.startTime) >= r.Time }

// step trains on the data of one step. Steps with values that are not finite are skipped, but
// not forever.
func (r *run) step(f stepData) error {
	losses, err := r.hooks.step(f.pieces...)
	r.losses, r.position, r.epoch = losses, f.next, f.at.Epoch
	switch {
	case errors.Is(err, ErrNotFinite):
		r.skipped++
		r.Report("step %d: a loss or gradient is not finite; it is skipped", r.trainer.Steps)
		if r.skipped >= r.Config.Train.MaxSkippedSteps {
			return fmt.Errorf("%s in a row had a loss or gradient that is not finite: stopped; %s", plural.Of(r.skipped, "step"), r.lastGood())
		}
		return nil
	case err != nil:
		return err
	}
	r.skipped = 0
	if r.hooks.stepped != nil {
		r.hooks.stepped(losses)
	}
	return nil
}

// logStep writes a line and an event.
func (r *run) logStep(seconds float64) error {
	if err := r.lock.Check(); err != nil {
		return fmt.Errorf("the run is not continued beside another process: %w", err)
	}
	t, l := r.trainer, r.losses
	scalars := []eventlog.Scalar{
		{Tag: eventlog.LearningRate, Value: t.Optimizers["encoder"].At(max(0, t.Optimizers["encoder"].Steps-1))},
		{Tag: eventlog.StepTime, Value: seconds},
		{Tag: eventlog.SkippedSteps, Value: float64(t.Skipped)},
	}
	add := func(tag, name string) {
		if v, ok := l[name]; ok {
			scalars = append(scalars, eventlog.Scalar{Tag: tag, Value: v})
		}
	}
	add(eventlog.GradEncoder, "grad_norm.encoder")
	add(eventlog.GradDecoder, "grad_norm.decoder")
	add(eventlog.GradQuantizer, "grad_norm.quantizer")
	add(eventlog.GradPredictors, "grad_norm.fa_predictors")
	add(eventlog.GradDiscriminator, "grad_norm.discriminator")
	add(eventlog.GeneratorTotal, "total")
	add(eventlog.DiscriminatorTotal, "discriminator")
	for _, loss := range lossInfos() {
		add(loss.curve.Tag, loss.name)
	}
	if r.hooks.scalars != nil {
		scalars = append(scalars, r.hooks.scalars()...)
	}
	return r.log.Scalars(int64(t.Steps), scalars)
}

func (r *run) progress(p *stepTimer, total int) {
	t := r.trainer
	progress := Progress{Phase: "train", Done: t.Steps, Total: total, Epoch: r.epoch, Rate: p.rate(), Losses: r.losses,
		Logged: t.Steps%r.Config.LogInterval == 0}
	if total > 0 && progress.Rate > 0 {
		progress.Left = time.Duration(float64(total-t.Steps) / progress.Rate * float64(time.Second))
	}
	if r.Time > 0 {
		if left := r.Time - time.Since(r.startTime); progress.Left == 0 || left < progress.Left {
			progress.Left = max(0, left)
		}
	}
	r.Progress(progress)
}

// validateAll validates once it is known that all ranks have the same state.
func (r *run) validateAll(ctx context.Context) error {
	if err := r.checkReplicas(); err != nil {
		return err
	}
	r.validating = r.trainer.Steps
	return r.validate(ctx)
}

// validate evaluates the run on what was held out, and keeps the best checkpoint.
func (r *run) validate(ctx context.Context) error {
	if !r.leads() {
		return nil
	}
	if r.hooks.validate == nil {
		r.validated = r.trainer.Steps // on nothing
		return nil
	}
	r.Progress(Progress{Phase: "validate", Done: r.trainer.Steps})
	values, err := r.hooks.validate(ctx, r.trainer.InferenceWeights(), r.log, int64(r.trainer.Steps))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	var scalars []eventlog.Scalar
	for _, tag := range sortedKeys(values) {
		scalars = append(scalars, eventlog.Scalar{Tag: tag, Value: values[tag]})
	}
	if err := r.log.Scalars(int64(r.trainer.Steps), scalars); err != nil {
		return err
	}
	mel := values[eventlog.ValidationMel]
	r.Report("step %d: held out: mel distance %.3f, STOI %.3f, SI-SDR %.1f dB", r.trainer.Steps, mel,
		values[eventlog.ValidationSTOI], values[eventlog.ValidationSISDR])
	r.validated = r.trainer.Steps
	// A mean over some of the clips says nothing beside one over all.
	if _, failed := values[FailedOf+"mel_loss"]; finite(mel) && !failed && (r.best < 0 || mel < r.best) {
		r.best = mel
		return r.write(filepath.Join(r.dir, checkpointDir, bestName))
	}
	return nil
}
