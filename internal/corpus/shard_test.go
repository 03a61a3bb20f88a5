package corpus

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"0/1": Whole, "3/16": {3, 16}, "15/16": {15, 16}} {
		if s, err := ParseShard(text); err != nil || s != want || s.String() != text {
			t.Errorf("%s is %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "3", "3/", "/3", "16/16", "-1/4", "0/0", "1/2/3", "a/b", "0/100000"} {
		if s, err := ParseShard(text); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
}

func TestShardOf(t *testing.T) {
	for env, want := range map[string]string{
		"": "0/1 ",
		"JOB_COMPLETION_INDEX=3 JOB_COMPLETIONS=16":                                                     "3/16 JOB_COMPLETION_INDEX",
		"JOB_COMPLETION_INDEX=3":                                                                        "JOB_COMPLETIONS is not",
		"JOB_COMPLETION_INDEX=16 JOB_COMPLETIONS=16":                                                    "no shard 16 of 16",
		"JOB_COMPLETION_INDEX=x JOB_COMPLETIONS=16":                                                     `JOB_COMPLETION_INDEX is "x"`,
		"SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=4":                                                "0/4 SLURM_ARRAY_TASK_ID",
		"SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=5":                         "2/4 SLURM_ARRAY_TASK_ID",
		"SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=4": "2/4 SLURM_ARRAY_TASK_ID",
		"SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=1":                         "no shard 6 of 3", // --array=1,3,7
		"SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_COUNT=9 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=2": "no shard -1 of 9",
		"SLURM_ARRAY_TASK_ID=3":                                                                         "SLURM_ARRAY_TASK_COUNT is not",
		"JOB_COMPLETION_INDEX=1 JOB_COMPLETIONS=2 SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=4":       "1/2 JOB_COMPLETION_INDEX",
	} {
		vars := map[string]string{}
		for _, assignment := range strings.Fields(env) {
			name, value, _ := strings.Cut(assignment, "=")
			vars[name] = value
		}
		s, variable, err := ShardOf(func(name string) string { return vars[name] })
		if got := fmt.Sprint(s, " ", variable); err == nil && got != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v; want %s", env, got, err, want)
		}
	}
}

// TestHolds: each recording belongs to one shard, about as many to each, and always
// to the same: the division is a promise to those who have begun with it.
func TestHolds(t *testing.T) {
	const shards, recordings = 16, 8000
	var sizes [shards]int
	for n := range recordings {
		holders := 0
		for i := range shards {
			if (Shard{i, shards}).Holds(fmt.Sprintf("speaker%d/%d.wav", n%40, n)) {
				sizes[i]++
				holders++
			}
		}
		if holders != 1 {
			t.Fatalf("recording %d is in %d shards", n, holders)
		}
	}
	for i, n := range sizes {
		if n < recordings/shards*3/4 || n > recordings/shards*5/4 {
			t.Errorf("shard %d has %d recordings", i, n)
		}
	}
	// printf a/en.wav | sha256sum begins with 1a63ec1552dad1a0.
	if !(Shard{0x1a63ec1552dad1a0 % 1000, 1000}).Holds("a/en.wav") {
		t.Error("a/en.wav has moved to another shard")
	}
	if a, b := Whole.Name("codes", ".jsonl"), (Shard{3, 16}).Name("codes", ".jsonl"); a != "codes.jsonl" || b != "codes-00003-of-00016.jsonl" {
		t.Errorf("%s, %s", a, b)
	}
}
