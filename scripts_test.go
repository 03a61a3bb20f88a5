package facodec_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facodec-go/facodec/internal/codectest"
)

// TestScriptsHelp: --help of the scripts in Python needs none of the packages that they work with.
func TestScriptsHelp(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	scripts := []string{filepath.Join("scripts", "judge"), filepath.Join("scripts", "judge", "agreement.py")}
	for _, dir := range []string{"parallel-speech", "interop"} {
		found, err := filepath.Glob(filepath.Join("scripts", dir, "*.py"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		scripts = append(scripts, found...)
	}
	for _, script := range scripts {
		if filepath.Base(script) == "needs.py" { // which others import
			continue
		}
		// -S: without what is installed, -B: without writing what is compiled.
		out, err := exec.Command(python, "-S", "-B", script, "--help").CombinedOutput()
		if err != nil || len(out) < 100 {
			t.Errorf("%s --help: %v: %s", script, err, out)
		}
	}
}

// TestAgreement: a metric that ranks models as a judge does, one that ranks them the other way around, one that says
// nothing, and one that is undefined for most.
func TestAgreement(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	type table map[string]any
	encode := func(name string, v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return codectest.WriteFile(t, name, string(b))
	}
	systems, args := table{}, []string{"-B", filepath.Join("scripts", "judge", "agreement.py"), ""}
	for model := range 4 {
		name := fmt.Sprintf("m%d", model)
		clips, files := table{}, []table{}
		for clip := range 5 {
			judged := float64(model) + 0.1*float64(clip)
			metrics := table{"same": judged * judged, "inverse": -judged, "constant": 1, "rare": nil}
			if clip == 0 && model == 0 {
				metrics["rare"] = 1
			}
			if metrics["partial"] = judged; model == 3 && clip > 3 { // without it the last model's mean is of its worse ones
				metrics["partial"] = nil
			}
			clips[fmt.Sprintf("en/c%d", clip)] = table{"pesq": judged}
			files = append(files, table{"source": fmt.Sprintf("x/en/c%d.flac", clip), "metrics": metrics})
		}
		// Of the same name in another folder.
		clips["fr/c0"] = table{"pesq": -float64(model)}
		files = append(files, table{"source": "x/fr/c0.flac", "metrics": table{"same": -model, "inverse": model, "constant": 1, "partial": -model}})
		systems[name] = table{"clips": clips}
		args = append(args, name+"="+encode(name+".json", table{"files": files}))
	}
	args[2] = encode("judged.json", table{"systems": systems})
	out, err := exec.Command(python, append(args, "--judges", "pesq")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, row := range []string{"4 models, 6 recordings", "| same | 1.00; 1.00; 1.00 |", "| inverse | -1.00; -1.00; -1.00 |", "| constant | —; —; — |", "| rare | —; —; — |", "| partial | 1.00; 1.00; 1.00 |"} {
		if !strings.Contains(string(out), row) {
			t.Errorf("no %q in\n%s", row, out)
		}
	}
	for want, args := range map[string][]string{
		"m1: two reports of that name":            append(args[:len(args):len(args)], args[4]),
		"m1.json: give NAME=EVAL.json":            append(args[:4:4], "m1.json"),
		"not the report that is wanted here":      append(args[:4:4], args[4], args[5], "m3="+args[2]),
		"no outputs of that name":                 append(args[:6:6], "other="+strings.TrimPrefix(args[3], "m0=")),
		"2 models: ranks of at least 4":           args[:5],
		"no mos of these recordings; it has pesq": append(args[:len(args):len(args)], "--judges", "mos"),
	} {
		if out, err := exec.Command(python, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %s, want %q", err, out, want)
		}
	}
}
