package serve

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	facodec "github.com/facodec-go/facodec"
	"github.com/facodec-go/facodec/audio"
	"github.com/facodec-go/facodec/fac"
	"github.com/facodec-go/facodec/internal/codectest"
	"github.com/facodec-go/facodec/internal/extract"
)

// enroll keeps a clip as a voice.
func (x *site) enroll(clip []byte) Voice {
	x.t.Helper()
	r, b := x.do("POST", "/v1/voices?name=Someone", bytes.NewReader(clip))
	var v Voice
	if err := json.Unmarshal(b, &v); err != nil || r.StatusCode != http.StatusCreated || r.Header.Get("Location") != "/v1/voices/"+v.ID {
		x.t.Fatalf("enroll: %s %.300s", r.Status, b)
	}
	return v
}

// TestTranscode: what is answered are the samples of the library, whole and while the
// source is sent, in every format, from a raw body and from a form.
func TestTranscode(t *testing.T) {
	c := small()
	x := newSite(t, Config{})
	en, it := speech(t, "en"), speech(t, "it")
	source, clip := samplesOf(t, en, 24000), samplesOf(t, it, 24000)
	v := x.enroll(it)
	timbre, err := c.Timbre(clip)
	if err != nil {
		t.Fatal(err)
	}
	want := func(samples []float32, err error) []float32 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return samples
	}
	reconstructed, converted := want(c.Reconstruct(source)), want(c.Convert(source, timbre))
	tokens, err := c.Encode(source)
	if err != nil {
		t.Fatal(err)
	}
	prosody := *tokens
	prosody.Codes = tokens.Only(facodec.Prosody)
	onlyProsody := want(c.Decode(&prosody))

	withReference, kind := form("source", string(en), "reference", string(it))
	referenceFirst, kindFirst := form("reference", string(it), "source", string(en))
	for _, test := range []struct {
		path string
		body []byte
		kind string
		want []float32
	}{
		{"/v1/reconstruct?sample_format=f32", en, "", reconstructed},
		{"/v1/reconstruct?sample_format=f32&parts=prosody", en, "", onlyProsody},
		{"/v1/convert?sample_format=f32&voice=" + v.ID, en, "audio/flac", converted},
		{"/v1/convert?sample_format=f32&stream=true&voice=" + v.ID, en, "", converted},
		{"/v1/convert?sample_format=f32", withReference, kind, converted},
		{"/v1/convert?sample_format=f32&stream=true", referenceFirst, kindFirst, converted},
	} {
		r, b := x.do("POST", test.path, bytes.NewReader(test.body), "Content-Type", test.kind)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "audio/wav" {
			t.Fatalf("%s: %s %s", test.path, r.Status, b)
		}
		if size := r.Header.Get("Content-Length"); size != strconv.Itoa(len(b)) {
			t.Errorf("%s: Content-Length %q of %d bytes", test.path, size, len(b))
		}
		if got := samplesOf(t, b, 24000); !slices.Equal(got, test.want) {
			t.Errorf("%s: %d samples, and other ones than the library's %d", test.path, len(got), len(test.want))
		}
	}

	// FLAC, and another rate, are what the command line writes.
	path := filepath.Join(t.TempDir(), "x.flac")
	in := filepath.Join("..", "..", "testdata", "speech", "en.flac")
	if _, err := c.ReconstructFile(t.Context(), in, path, facodec.FileOptions{SampleFormat: audio.S24, OutputRate: 48000, Normalize: true}); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := x.post("/v1/reconstruct?format=flac&sample_format=s24&rate=48000&normalize=true", en)
	if got, want := samplesOf(t, b, 48000), samplesOf(t, file, 48000); !slices.Equal(got, want) {
		t.Errorf("FLAC: %d samples, %d in the file", len(got), len(want))
	}
}

// TestUnknownLength: a source that does not tell how long it is gives a WAV that does, unless
// it was to be streamed.
func TestUnknownLength(t *testing.T) {
	x := newSite(t, Config{})
	var wav bytes.Buffer
	w, err := audio.NewWriter(&wav, "x", 24000, audio.S16, -1)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(make([]float32, 20000))
	w.Commit()
	v := x.enroll(speech(t, "it"))
	for query, known := range map[string]bool{"": true, "&stream=true": false} {
		r, b := x.do("POST", "/v1/convert?voice="+v.ID+query, bytes.NewReader(wav.Bytes()))
		if r.StatusCode != 200 || r.ContentLength >= 0 != known || bytes.Contains(b[:44], []byte("\xff\xff\xff\xff")) == known || len(samplesOf(t, b, 24000)) != 20000 {
			t.Errorf("%q: %s, length %d, header %q", query, r.Status, r.ContentLength, b[:44])
		}
	}
}

// TestFac: encode and decode are those of the command line, byte by byte.
func TestFac(t *testing.T) {
	c := small()
	x := newSite(t, Config{})
	en := speech(t, "en")
	dir := t.TempDir()
	in := filepath.Join("..", "..", "testdata", "speech", "en.flac")
	for query, o := range map[string]fac.EncodeOptions{"": {}, "?residual_books=1&entropy_coding=true": {DropResidual: 2, EntropyCoding: true}} {
		path := filepath.Join(dir, "x.fac")
		if _, err := fac.Encode(t.Context(), c, in, path, o); err != nil {
			t.Fatal(err)
		}
		want, _ := os.ReadFile(path)
		join := "?"
		if query != "" {
			join = "&"
		}
		if !bytes.Equal(x.post("/v1/encode"+query, en), want) || !bytes.Equal(x.post("/v1/encode"+query+join+"stream=true", en), want) {
			t.Errorf("encode%s: not what the command line writes", query)
		}
		if _, err := fac.Decode(t.Context(), c, path, filepath.Join(dir, "x.wav"), fac.DecodeOptions{}); err != nil {
			t.Fatal(err)
		}
		wav, _ := os.ReadFile(filepath.Join(dir, "x.wav"))
		if !bytes.Equal(x.post("/v1/decode", want), wav) {
			t.Errorf("decode%s: not what the command line writes", query)
		}
	}
	// In another voice, of a form.
	file := x.post("/v1/encode", en)
	body, kind := form("source", string(file), "reference", string(speech(t, "it")))
	got := samplesOf(t, x.post("/v1/decode?sample_format=f32", body, "Content-Type", kind), 24000)
	v := x.enroll(speech(t, "it"))
	want := samplesOf(t, x.post("/v1/convert?sample_format=f32&voice="+v.ID, en), 24000)
	if !slices.Equal(got, want) {
		t.Error("decode in another voice is not convert")
	}
}

// TestRedecoder: with a redecoder, conversions are its own, whole and streamed; all else is
// the codec's.
func TestRedecoder(t *testing.T) {
	c := small()
	re, err := c.OpenRedecoder(codectest.Checkpoint(t, "re.safetensors", codectest.RedecoderConfig))
	if err != nil {
		t.Fatal(err)
	}
	defer re.Close()
	x := newSite(t, Config{Redecoder: re})
	en := speech(t, "en")
	source := samplesOf(t, en, 24000)
	v := x.enroll(speech(t, "it"))
	timbre, err := c.Timbre(samplesOf(t, speech(t, "it"), 24000))
	if err != nil {
		t.Fatal(err)
	}
	d, err := re.NewDecoder(timbre)
	if err != nil {
		t.Fatal(err)
	}
	stream := c.NewStream(d, facodec.Prosody, facodec.Content)
	if err := stream.Write(source); err != nil {
		t.Fatal(err)
	}
	if err := stream.Flush(); err != nil {
		t.Fatal(err)
	}
	want := make([]float32, stream.Buffered())
	stream.Read(want)
	for _, query := range []string{"", "&stream=true", "&parts=content"} {
		if got := samplesOf(t, x.post("/v1/convert?sample_format=f32&voice="+v.ID+query, en), 24000); !slices.Equal(got, want) {
			t.Errorf("convert%s is not the redecoder's", query)
		}
	}
	r, b := x.do("POST", "/v1/convert?parts=prosody&voice="+v.ID, bytes.NewReader(en))
	x.problem(r, b, http.StatusUnprocessableEntity, "query.parts")
	reconstructed, err := c.Reconstruct(source)
	if err != nil {
		t.Fatal(err)
	}
	if got := samplesOf(t, x.post("/v1/reconstruct?sample_format=f32", en), 24000); !slices.Equal(got, reconstructed) {
		t.Error("reconstruct is not the codec's")
	}
}

func TestExtract(t *testing.T) {
	c := small()
	x := newSite(t, Config{})
	en := speech(t, "en")
	in := filepath.Join("..", "..", "testdata", "speech", "en.flac")
	for _, format := range []string{"npz", "safetensors"} {
		for _, what := range []string{"codes,timbre", "codes,timbre,quantized,float16"} {
			w, _ := extract.ParseWhat(what)
			path := filepath.Join(t.TempDir(), "x."+format)
			if _, err := extract.File(t.Context(), c, in, path, extract.Options{What: w}); err != nil {
				t.Fatal(err)
			}
			want, _ := os.ReadFile(path)
			if !bytes.Equal(x.post("/v1/extract?format="+format+"&what="+what, en), want) {
				t.Errorf("%s %s: not what the command line writes", format, what)
			}
		}
	}
	tokens, err := c.Encode(samplesOf(t, en, 24000))
	if err != nil {
		t.Fatal(err)
	}
	var got Extraction
	if err := json.Unmarshal(x.post("/v1/extract", en), &got); err != nil {
		t.Fatal(err)
	}
	if got.Samples != tokens.Samples || got.Frames != tokens.Frames() || got.FrameRate != 80 || !slices.Equal(got.Timbre, tokens.Timbre) ||
		!slices.Equal(got.Codes["content"][1], tokens.Codes[facodec.Content][1]) || len(got.Codes["residual"]) != 3 {
		t.Errorf("json: %+v", got)
	}
}

func TestPlot(t *testing.T) {
	x := newSite(t, Config{})
	b := x.post("/v1/plot?width=500&from=0.5&to=1", speech(t, "en"))
	picture, err := png.Decode(bytes.NewReader(b))
	if err != nil || picture.Bounds().Dx() != 500 {
		t.Errorf("%v, %v", picture, err)
	}
	if b := x.post("/v1/plot?format=svg&codes=false&title=A%3Cb", speech(t, "en")); !bytes.Contains(b, []byte("A&lt;b")) {
		t.Errorf("svg: %.200s", b)
	}
}

func TestVoices(t *testing.T) {
	c := small()
	x := newSite(t, Config{MaxVoices: 3})
	it, fr := speech(t, "it"), speech(t, "fr")
	v := x.enroll(it)
	if v.Name != "Someone" || math.Abs(v.Seconds-2.26) > 0.01 || v.Warnings != nil {
		t.Errorf("%+v", v)
	}
	r, file := x.do("GET", "/v1/voices/"+v.ID+"/file", nil)
	want, err := c.EnrollFiles(t.Context(), []string{"../../testdata/speech/it.flac"}, facodec.EnrollOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := want.MarshalBinary(); r.StatusCode != 200 || !bytes.Equal(b, file) {
		t.Errorf("file: %s, or not what enroll writes", r.Status)
	}
	// A voice file and a clip are one voice, as on the command line.
	body, kind := form("source", string(file), "reference", string(fr))
	r, b := x.do("POST", "/v1/voices", bytes.NewReader(body), "Content-Type", kind)
	var mixed Voice
	if err := json.Unmarshal(b, &mixed); err != nil || r.StatusCode != 201 {
		t.Fatalf("%s %.300s", r.Status, b)
	}
	path := filepath.Join(t.TempDir(), "it.voice")
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	if want, err = c.EnrollFiles(t.Context(), []string{path, "../../testdata/speech/fr.flac"}, facodec.EnrollOptions{}); err != nil {
		t.Fatal(err)
	}
	wantFile, _ := want.MarshalBinary()
	if _, file := x.do("GET", "/v1/voices/"+mixed.ID+"/file", nil); !bytes.Equal(file, wantFile) {
		t.Error("a voice file and a clip: not what enroll writes")
	}
	var silence bytes.Buffer
	w, _ := audio.NewWriter(&silence, "x", 24000, audio.S16, 30000)
	w.Write(make([]float32, 30000))
	w.Commit()
	var short bytes.Buffer
	w, _ = audio.NewWriter(&short, "x", 24000, audio.S16, 12000)
	w.Write(slices.Repeat([]float32{0.5, -0.5}, 6000))
	w.Commit()
	var late bytes.Buffer // is heard after more than a piece
	w, _ = audio.NewWriter(&late, "x", 24000, audio.S16, 70000)
	w.Write(make([]float32, 40000))
	w.Write(slices.Repeat([]float32{0.5, -0.5, 0.25}, 10000))
	w.Commit()
	body, kind = form("source", late.String(), "source", late.String())
	r, b = x.do("POST", "/v1/voices", bytes.NewReader(body), "Content-Type", kind)
	if x.problem(r, b, http.StatusUnprocessableEntity, "body.source[1]"); !bytes.Contains(b, []byte("give the others as reference")) {
		t.Errorf("a second source: %s", b)
	}
	// The silence that a clip begins with is in the budget until something is heard.
	little := newSite(t, Config{Memory: 200_000})
	body, kind = form("source", late.String(), "reference", late.String())
	if r, b := little.do("POST", "/v1/voices", bytes.NewReader(body), "Content-Type", kind); r.StatusCode != 201 || little.memory.left != 200_000 {
		t.Errorf("two clips that begin with silence: %s %.300s, %d bytes are left", r.Status, b, little.memory.left)
	}
	little = newSite(t, Config{Memory: 100_000})
	r, b = little.do("POST", "/v1/voices", bytes.NewReader(late.Bytes()))
	little.problem(r, b, http.StatusServiceUnavailable, "body")
	for _, query := range []string{"", "&normalize=true"} {
		// Silence is no voice, and beside a clip of one it is a warning.
		r, b := x.do("POST", "/v1/voices?name=x"+query, bytes.NewReader(silence.Bytes()))
		x.problem(r, b, http.StatusUnprocessableEntity, "body")
		body, kind := form("source", silence.String(), "reference", silence.String())
		r, b = x.do("POST", "/v1/voices?name=x"+query, bytes.NewReader(body), "Content-Type", kind)
		x.problem(r, b, http.StatusUnprocessableEntity, "body.source")
		for _, clip := range []struct{ name, data, warning string }{
			{"speech", string(fr), ""},
			{"half a second", short.String(), "body.reference: 0.50 s is too little for a voice"},
			{"speech after silence", late.String(), ""},
		} {
			// enrolled returns a voice and its file.
			enrolled := func(parts ...string) (v Voice, file []byte) {
				body, kind := form(parts...)
				r, b := x.do("POST", "/v1/voices?name=x"+query, bytes.NewReader(body), "Content-Type", kind)
				if err := json.Unmarshal(b, &v); err != nil || r.StatusCode != 201 {
					t.Fatalf("%s: %s %.300s", clip.name, r.Status, b)
				}
				_, file = x.do("GET", "/v1/voices/"+v.ID+"/file", nil)
				x.do("DELETE", "/v1/voices/"+v.ID, nil)
				return v, file
			}
			alone, want := enrolled("reference", clip.data)
			mixed, file := enrolled("source", silence.String(), "reference", clip.data)
			if !bytes.Equal(file, want) || mixed.Seconds != alone.Seconds {
				t.Errorf("%s: silence beside it counts, %v seconds and not %v", clip.name, mixed.Seconds, alone.Seconds)
			}
			warnings := []string{"body.source: nothing is heard; left out"}
			if clip.warning != "" {
				warnings = append(warnings, clip.warning)
			}
			if !slices.EqualFunc(mixed.Warnings, warnings, strings.HasPrefix) {
				t.Errorf("silence and %s: %q", clip.name, mixed.Warnings)
			}
			if clip.name != "speech after silence" {
				continue
			}
			path := filepath.Join(t.TempDir(), "late.wav")
			if err := os.WriteFile(path, late.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if v, err := c.EnrollFiles(t.Context(), []string{path}, facodec.EnrollOptions{Normalize: query != ""}); err != nil {
				t.Error(err)
			} else if b, _ := v.MarshalBinary(); !bytes.Equal(b, want) {
				t.Error("speech after silence: not what enroll writes")
			}
		}
		r, b = x.do("POST", "/v1/voices?name=x"+query, bytes.NewReader(short.Bytes()))
		var v Voice
		if json.Unmarshal(b, &v); r.StatusCode != 201 || len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "body: 0.50 s is too little for a voice") {
			t.Errorf("half a second: %s %.300s", r.Status, b)
		}
		if query == "" {
			r, b = x.do("POST", "/v1/voices", bytes.NewReader(it))
			x.problem(r, b, http.StatusInsufficientStorage, "")
		}
		if r, _ := x.do("DELETE", "/v1/voices/"+v.ID, nil); r.StatusCode != 204 {
			t.Errorf("delete: %s", r.Status)
		}
	}
	r, b = x.do("GET", "/v1/voices", nil)
	var list struct{ Voices []Voice }
	if err := json.Unmarshal(b, &list); err != nil || len(list.Voices) != 2 || list.Voices[0].ID != v.ID || list.Voices[1].ID != mixed.ID {
		t.Errorf("list: %s %.300s", r.Status, b)
	}
	if r, b := x.do("GET", "/v1/voices/"+v.ID, nil); r.StatusCode != 200 || !bytes.Contains(b, []byte(v.ID)) {
		t.Errorf("%s %.300s", r.Status, b)
	}
}

// TestProblems: every error is a problem that names the field at fault.
func TestProblems(t *testing.T) {
	x := newSite(t, Config{MaxBody: 200_000, MaxSeconds: 3})
	en := speech(t, "en")
	v := x.enroll(speech(t, "it"))
	var long bytes.Buffer
	w, _ := audio.NewWriter(&long, "x", 8000, audio.S16, -1)
	w.Write(make([]float32, 3*8000+1))
	w.Commit()
	cut := en[:len(en)/2]
	two, twoKind := form("source", string(en), "source", string(en))
	stranger, strangerKind := form("source", string(en), "voice", "x")
	none, noneKind := form("reference", string(en))
	badReference, badKind := form("source", string(en), "reference", "facvoice but not quite")
	late, lateKind := form("source", string(en), "reference", string(en))
	file := x.post("/v1/encode?residual_books=0", en)
	damaged := bytes.Clone(file)
	damaged[len(damaged)/2] ^= 1
	archive := append([]byte("PK\x03\x04"), make([]byte, 200)...)
	for _, test := range []struct {
		method, path string
		body         []byte
		kind         string
		status       int
		location     string
	}{
		{"GET", "/nothing", nil, "", 404, "path"},
		{"GET", "/v1/convert", nil, "", 405, "method"},
		{"PUT", "/v1/voices", nil, "", 405, "method"},
		{"GET", "/v1/voices/none", nil, "", 404, "path.id"},
		{"GET", "/v1/voices/none/file", nil, "", 404, "path.id"},
		{"DELETE", "/v1/voices/none", nil, "", 404, "path.id"},
		{"POST", "/v1/convert", en, "", 422, "query.voice"},
		{"POST", "/v1/convert?voice=none", en, "", 422, "query.voice"},
		{"POST", "/v1/convert?voices=" + v.ID, en, "", 422, "query.voices"},
		{"POST", "/v1/convert", none, noneKind, 422, "body.source"},
		{"POST", "/v1/convert", two, twoKind, 422, "body.source[1]"},
		{"POST", "/v1/convert", stranger, strangerKind, 422, "body.voice"},
		{"POST", "/v1/convert", badReference, badKind, 422, "body.reference"},
		{"POST", "/v1/convert?stream=true", late, lateKind, 422, "query.voice"},
		{"POST", "/v1/convert?voice=" + v.ID, []byte("--x\r\nnonsense"), "multipart/form-data; boundary=x", 422, "body"},
		{"POST", "/v1/convert?voice=" + v.ID, en, "multipart/form-data", 422, "header.Content-Type"},
		{"POST", "/v1/convert?stream=true&normalize=true&voice=" + v.ID, en, "", 422, "query.normalize"},
		{"POST", "/v1/reconstruct?stream=true", en, "", 422, "query.voice"},
		{"POST", "/v1/reconstruct?format=mp3", en, "", 422, "query.format"},
		{"POST", "/v1/reconstruct?format=flac&sample_format=f32", en, "", 422, "query.sample_format"},
		{"POST", "/v1/reconstruct?rate=7999", en, "", 422, "query.rate"},
		{"POST", "/v1/reconstruct?rate=fast", en, "", 422, "query.rate"},
		{"POST", "/v1/reconstruct?parts=timbre", en, "", 422, "query.parts[0]"},
		{"POST", "/v1/reconstruct", nil, "", 422, "body"},
		{"POST", "/v1/reconstruct", cut, "", 422, "body"},
		{"POST", "/v1/reconstruct", archive, "", 415, "body"},
		{"POST", "/v1/reconstruct", long.Bytes(), "", 413, "body"},
		{"POST", "/v1/reconstruct?normalize=true", long.Bytes(), "", 413, "body"},
		{"POST", "/v1/reconstruct", append(bytes.Clone(en), make([]byte, 200_000)...), "", 413, "body"},
		{"POST", "/v1/encode?residual_books=9", en, "", 422, "query.residual_books"},
		{"POST", "/v1/decode", en, "", 415, "body"},
		{"POST", "/v1/decode", damaged, "", 422, "body"},
		{"POST", "/v1/decode", file[:100], "", 422, "body"},
		{"POST", "/v1/decode?parts=residual", file, "", 422, "query.parts"},
		{"POST", "/v1/extract?what=quantized", en, "", 422, "query.what"},
		{"POST", "/v1/extract?format=npz&what=float16,codes", en, "", 422, "query.what"},
		{"POST", "/v1/plot?from=10", en, "", 422, "query.from"},
		{"POST", "/v1/plot?from=1&to=1", en, "", 422, "query.to"},
		{"POST", "/v1/plot?height=100", en, "", 422, "query.height"},
		{"POST", "/v1/plot?width=5000", en, "", 422, "query.width"},
		{"POST", "/v1/voices", nil, "", 422, "body"},
		{"POST", "/v1/voices?name=" + strings.Repeat("x", 81), en, "", 422, "query.name"},
		{"POST", "/v1/voices?name=", en, "", 422, "query.name"},
		{"POST", "/v1/voices?name=%20%C2%A0", en, "", 422, "query.name"},
	} {
		r, b := x.do(test.method, test.path, bytes.NewReader(test.body), "Content-Type", test.kind)
		x.problem(r, b, test.status, test.location)
		if test.status == http.StatusRequestEntityTooLarge && !bytes.Contains(b, []byte("which is as much as this server takes in a request\"")) {
			t.Errorf("%s: %s", test.path, b)
		}
	}
	if n := x.places.taken(); n != 0 {
		t.Errorf("%d places are not given back", n)
	}
	if x.memory.left != Defaults.Memory {
		t.Errorf("%d bytes of the budget are not given back", Defaults.Memory-x.memory.left)
	}
}

// TestOpenAPI: the description has every route with its parameters, and no address of
// another site.
func TestOpenAPI(t *testing.T) {
	x := newSite(t, Config{})
	r, b := x.do("GET", "/openapi.json", nil)
	var api struct {
		Paths map[string]map[string]struct {
			Parameters  []struct{ Name string }
			RequestBody struct{ Content map[string]any }
			Responses   map[string]struct{ Content map[string]any }
		}
	}
	if err := json.Unmarshal(b, &api); err != nil || r.StatusCode != 200 {
		t.Fatalf("%s %v", r.Status, err)
	}
	for path, methods := range map[string]string{
		"/v1/info": "get", "/healthz": "get", "/v1/voices": "get post", "/v1/voices/{id}": "get delete", "/v1/voices/{id}/file": "get",
		"/v1/reconstruct": "post", "/v1/convert": "post", "/v1/encode": "post", "/v1/decode": "post", "/v1/extract": "post", "/v1/plot": "post",
	} {
		for _, method := range strings.Fields(methods) {
			op, ok := api.Paths[path][method]
			if !ok || len(op.Responses) < 2 {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			if method == "post" && (op.RequestBody.Content["multipart/form-data"] == nil || op.RequestBody.Content["application/octet-stream"] == nil || len(op.Parameters) == 0) {
				t.Errorf("%s: body %+v, parameters %+v", path, op.RequestBody, op.Parameters)
			}
		}
	}
	if op := api.Paths["/v1/convert"]["post"]; op.Responses["200"].Content["audio/flac"] == nil || op.Responses["422"].Content["application/problem+json"] == nil {
		t.Errorf("convert: %+v", op.Responses)
	}
	if strings.Contains(string(b), "https://") && strings.Contains(string(b), "unpkg") {
		t.Error("the description names another site")
	}
}

func TestInfoAndPage(t *testing.T) {
	x := newSite(t, Config{Model: "the model", Version: "1.2.3", MaxBody: 1 << 20})
	var info Info
	_, b := x.do("GET", "/v1/info", nil)
	if err := json.Unmarshal(b, &info); err != nil || info.Model != "the model" || info.Version != "1.2.3" || info.SampleRate != 24000 || info.Limits.BodyBytes != 1<<20 || info.Books["content"] != 2 {
		t.Errorf("%s, %v", b, err)
	}
	r, b := x.do("GET", "/", nil)
	if r.StatusCode != 200 || !sameHead(r.Header.Get("Content-Type"), "text/html") || !bytes.Contains(b, []byte("facodec")) {
		t.Errorf("the page: %s %.300s", r.Status, b)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "", "Referrer-Policy": "no-referrer"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	if r, _ := x.do("GET", "/static/", nil); r.StatusCode != 404 {
		t.Errorf("a listing: %s", r.Status)
	}
	_, b = x.do("GET", "/metrics", nil)
	for _, line := range []string{"facodec_requests 0", "facodec_streams_limit 1", `facodec_requests_total{route="GET /v1/info",status="200"} 1`, `facodec_refused_total{limit="request"} 0`} {
		if !bytes.Contains(b, []byte(line)) {
			t.Errorf("metrics lack %s", line)
		}
	}
}
