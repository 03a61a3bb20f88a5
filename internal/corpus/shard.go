// Package corpus divides a corpus among machines and keeps a manifest of finished
// outputs, so that a run that was interrupted in any way continues where it stopped.
package corpus

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Shard is one of the parts that a corpus is divided into.
type Shard struct {
	Index, Count int // 0 <= Index < Count
}

// Whole is the shard of a corpus that is not divided.
var Whole = Shard{0, 1}

// ParseShard reads "3/16": the fourth of 16 parts.
func ParseShard(s string) (Shard, error) {
	index, count, ok := strings.Cut(s, "/")
	i, err := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	if !ok || err != nil || err2 != nil {
		return Shard{}, fmt.Errorf("%q is not a shard such as 3/16, counted from 0/16 to 15/16", s)
	}
	return shard(i, n)
}

func shard(index, count int) (Shard, error) {
	if index < 0 || index >= count || count > 99999 {
		return Shard{}, fmt.Errorf("there is no shard %d of %d: they are counted from 0", index, count)
	}
	return Shard{index, count}, nil
}

// ShardOf returns what the environment says of the part that is ours, and which
// variable says it, "" for none:
//
//	JOB_COMPLETION_INDEX / JOB_COMPLETIONS                            Kubernetes Indexed Jobs
//	(SLURM_ARRAY_TASK_ID - _MIN) / _STEP of SLURM_ARRAY_TASK_COUNT    Slurm job arrays
//
// Kubernetes sets the index alone; the number must be put into the manifest, and
// its lack is an error, since otherwise every pod would do everything.
func ShardOf(getenv func(string) string) (s Shard, variable string, err error) {
	number := func(name string, otherwise int) (n int) {
		text := getenv(name)
		if text == "" {
			return otherwise
		}
		n, e := strconv.Atoi(text)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("%s is %q, and no number", name, text))
		}
		return n
	}
	switch {
	case getenv("JOB_COMPLETION_INDEX") != "":
		variable = "JOB_COMPLETION_INDEX"
		if getenv("JOB_COMPLETIONS") == "" {
			return Shard{}, variable, errors.New("JOB_COMPLETION_INDEX is set and JOB_COMPLETIONS is not: set it to the job's completions")
		}
		s.Index, s.Count = number(variable, 0), number("JOB_COMPLETIONS", 0)
	case getenv("SLURM_ARRAY_TASK_ID") != "":
		variable = "SLURM_ARRAY_TASK_ID"
		if getenv("SLURM_ARRAY_TASK_COUNT") == "" {
			return Shard{}, variable, errors.New("SLURM_ARRAY_TASK_ID is set and SLURM_ARRAY_TASK_COUNT is not")
		}
		step := number("SLURM_ARRAY_TASK_STEP", 1)
		at := number(variable, 0) - number("SLURM_ARRAY_TASK_MIN", 0)
		s.Index, s.Count = at/max(step, 1), number("SLURM_ARRAY_TASK_COUNT", 0)
		if at%max(step, 1) != 0 {
			s.Index = -1
		}
	default:
		return Whole, "", nil
	}
	if err == nil {
		s, err = shard(s.Index, s.Count)
	}
	if err != nil {
		return Shard{}, variable, fmt.Errorf("%s: %w", variable, err)
	}
	return s, variable, nil
}

// Holds says whether a recording belongs to the shard. It goes by the recording's
// path below the corpus alone, so that neither other recordings nor the place of
// the corpus change where one belongs: the first eight bytes of the path's SHA-256,
// big-endian, modulo Count.
func (s Shard) Holds(path string) bool {
	sum := sha256.Sum256([]byte(path))
	return binary.BigEndian.Uint64(sum[:8])%uint64(s.Count) == uint64(s.Index)
}

// Name returns what a file of the shard is called: base.ext, or
// base-00003-of-00016.ext.
func (s Shard) Name(base, ext string) string {
	if s.Count == 1 {
		return base + ext
	}
	return fmt.Sprintf("%s-%05d-of-%05d%s", base, s.Index, s.Count, ext)
}

// Sibling says whether a file that Name called is of this shard or of another of the same
// number.
func (s Shard) Sibling(name, base, ext string) bool {
	if s.Count == 1 {
		return name == base+ext
	}
	var other Shard
	n, err := fmt.Sscanf(name, base+"-%05d-of-%05d"+ext, &other.Index, &other.Count)
	return n == 2 && err == nil && other.Count == s.Count
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }
