package weights

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"testing"
)

// What an independent implementation in NumPy gives: the first two values, the
// last, and the checksum of all.
func TestRandomValues(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape []int
		want  []float32
		crc   uint32
	}{
		{"encoder.block.0.conv.conv.weight_g", []int{64, 1, 1}, []float32{0.7079135775566101, 0.7002995014190674, 0.8684192299842834}, 0xf232bd66},
		{"decoder.model.0.conv.conv.weight_g", []int{1536, 1, 1}, []float32{0.6849806308746338, 0.7344039082527161, 0.740041196346283}, 0x62780734},
		{"encoder.block.0.conv.conv.weight_v", []int{64, 1, 7}, []float32{0.20464754104614258, -0.28569352626800537, -0.11702549457550049}, 0xe2e874ad},
		{"encoder.block.1.block.0.block.0.alpha", []int{1, 64, 1}, []float32{1.3294222354888916, 0.9647376537322998, 1.4299989938735962}, 0x54fe0572},
		{"fa_predictors.f0_predictor.model.3.act.beta", []int{1024}, []float32{-0.17838603258132935, 0.06368905305862427, -0.2822538912296295}, 0x2604302d},
		{"quantizer.prosody_quantizer.quantizers.0.codebook.weight", []int{1024, 8}, []float32{-0.3107856512069702, -0.21531033515930176, -0.21598327159881592}, 0x6aa34b25},
		{"redecoder.encoder.content_embed.0.weight", []int{1024, 512}, []float32{0.8964221477508545, -0.020823240280151367, -0.8220402002334595}, 0x7c34be7d},
		{"encoder.block.5.lstm.weight_ih_l0", []int{4096, 1024}, []float32{-0.023520277813076973, -0.029266787692904472, 0.03149174898862839}, 0x719b1ad8},
		{"jdc.bilstm_classifier.weight_hh_l0_reverse", []int{1024, 256}, []float32{-0.010769604705274105, 0.03317805379629135, 0.018197836354374886}, 0xbea4baa1},
		{"jdc.conv_block.1.running_mean", []int{64}, []float32{0.04162631183862686, -0.021663665771484375, -0.07125230878591537}, 0xe32b240d},
		{"jdc.conv_block.1.running_var", []int{64}, []float32{0.8305180072784424, 0.9936700463294983, 1.019177794456482}, 0x372dc806},
		{"jdc.conv_block.1.weight", []int{64}, []float32{0.8589062094688416, 0.9958763718605042, 1.0824291706085205}, 0x89abb44e},
		{"quantizer.timbre_linear.weight", []int{2048, 1024}, []float32{0.018139764666557312, -0.00892918836325407, -0.04129525646567345}, 0x2f2c90dd},
		{"encoder.block.0.conv.conv.bias", []int{64}, []float32{-0.013299548998475075, 0.0027268826961517334, 0.038827162235975266}, 0x81291b56},
		{"quantizer.timbre_linear.bias", []int{2048}, []float32{1.0287458896636963, 1.008033037185669, 0.04228247329592705}, 0x7f03db51},
	} {
		got := RandomValues(0, c.name, c.shape)
		if n, _ := elements(c.shape, 4); len(got) != n {
			t.Errorf("%s: %d values", c.name, len(got))
			continue
		}
		if ends := []float32{got[0], got[1], got[len(got)-1]}; !slices.Equal(ends, c.want) {
			t.Errorf("%s: %v, want %v", c.name, ends, c.want)
		}
		var raw []byte
		for _, v := range got {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		if crc := crc32.ChecksumIEEE(raw); crc != c.crc {
			t.Errorf("%s: checksum %08x, want %08x", c.name, crc, c.crc)
		}
	}
	if got := RandomValues(0, "jdc.conv_block.1.num_batches_tracked", nil); len(got) != 1 || got[0] != 0 {
		t.Errorf("num_batches_tracked is %v", got)
	}
}

func TestUniform(t *testing.T) {
	if got, want := Uniform(1, "wave", 3), []float64{0.06851303577423096, -0.5427870750427246, -0.39307284355163574}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := Uniform(0, "probe.wn.0", 2), []float64{-0.9149922132492065, 0.7448509931564331}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	sum, squares := 0.0, 0.0
	const n = 1 << 20
	for _, u := range Uniform(3, "x", n) {
		if u < -1 || u >= 1 {
			t.Fatalf("%v is not in [-1, 1)", u)
		}
		sum += u
		squares += u * u
	}
	if math.Abs(sum/n) > 0.003 || math.Abs(squares/n-1.0/3) > 0.003 {
		t.Errorf("mean %v, mean square %v", sum/n, squares/n)
	}
}

func TestNewRandom(t *testing.T) {
	s := NewRandom(7, []Spec{{"b.weight_v", []int{2, 3}}, {"a.bias", []int{4}}})
	if want := []string{"a.bias", "b.weight_v"}; !slices.Equal(s.Names(), want) {
		t.Error(s.Names())
	}
	x, ok := s.Lookup("b.weight_v")
	if !ok || !slices.Equal(x.Shape, []int{2, 3}) || x.DType != F32 || x.Elements() != 6 {
		t.Fatalf("%+v", x)
	}
	got, err := x.Float32()
	if err != nil || !slices.Equal(got, RandomValues(7, "b.weight_v", []int{2, 3})) {
		t.Error(got, err)
	}
	if slices.Equal(got, RandomValues(8, "b.weight_v", []int{2, 3})) {
		t.Error("the seed changes nothing")
	}
	x.Release()
	if _, ok := s.Lookup("c"); ok {
		t.Error("found c")
	}
}

func BenchmarkRandomValues(b *testing.B) {
	shape := []int{1024, 1024}
	b.SetBytes(4 << 20)
	for b.Loop() {
		RandomValues(0, "encoder.weight_v", shape)
	}
}

// TestRandomValuesNS3: values of the NaturalSpeech 3 family's rules, each distinct from
// what the first family's would give. The golden tests of package ns3 compare all.
func TestRandomValuesNS3(t *testing.T) {
	for _, c := range []struct {
		name          string
		shape         []int
		center, scale float64
	}{
		{"ns3_decoder.model.1.block.1.weight_g", []int{1024, 1, 1}, 0.7, 0.1},
		{"ns3_encoder_v2.block.0.weight_g", []int{32, 1, 1}, 0.9, 0.1},
		{"ns3_decoder.quantizer.0.layers.0.in_proj.weight_g", []int{8, 1}, 0.8, 0.1},
		{"ns3_redecoder.prosody_embs.0.weight", []int{50, 16}, 0, 1},
		{"ns3_decoder.timbre_encoder.layers.0.self_attn.in_proj_weight", []int{48, 16}, 0, math.Sqrt(3.0 / 16)},
		{"ns3_decoder.timbre_encoder.layers.0.ln_1.weight", []int{16}, 1, 0.2},
		{"ns3_decoder.model.0.bias", []int{64}, 0, 0.05},
	} {
		u := Uniform(3, c.name, 2)
		got := RandomValues(3, c.name, c.shape)
		for i, v := range u {
			if want := float32(c.center + c.scale*v); got[i] != want {
				t.Errorf("%s: %v, want %v", c.name, got[i], want)
			}
		}
	}
	for _, row := range slices.Collect(slices.Chunk(RandomValues(3, "ns3_decoder_v2.melspec_linear.weight", []int{16, 20}), 20)) {
		var sum float64
		for _, v := range row {
			sum += float64(v)
		}
		if math.Abs(sum) > 1e-6 {
			t.Errorf("a row of melspec_linear.weight adds up to %v", sum)
		}
	}
	bias := RandomValues(3, "ns3_redecoder.timbre_cond_prosody_enc.last_ln.style.bias", []int{8})
	for i, v := range bias {
		if around := math.Round(float64(v)); (around == 1) != (i < 4) {
			t.Errorf("style bias %v", bias)
		}
	}
}
