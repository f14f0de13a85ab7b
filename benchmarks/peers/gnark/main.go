// gnark-crypto's kernels on BN254 behind a pipe, on one thread: JSON lines in, JSON lines out, as peers/answering.py has them.
// `go build` makes it with assembly, `go build -tags purego` without.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
	"github.com/consensys/gnark-crypto/utils/cpu"
)

type request struct {
	Do      string `json:"do"`
	N       int    `json:"n"`
	Bits    int    `json:"bits"`
	Repeats int    `json:"repeats"`
}

var kernel func()

// Processor seconds of this process.
func seconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Sec+usage.Stime.Sec) + 1e-6*float64(usage.Utime.Usec+usage.Stime.Usec)
}

func elements(n int) fr.Vector {
	out := make(fr.Vector, n)
	for i := range out {
		out[i].MustSetRandom()
	}
	return out
}

// n integers of that many bits with signs.
func small(n, bits int) fr.Vector {
	out := elements(n)
	for i := range out {
		var word big.Int
		out[i].BigInt(&word)
		low := int64(word.Uint64()&(1<<bits-1)) - 1<<(bits-1)
		out[i].SetInt64(low)
	}
	return out
}

func prepare(r request) error {
	one := ecc.MultiExpConfig{NbTasks: 1}
	_, _, g1, g2 := bn254.Generators()
	switch r.Do {
	case "fr_mul":
		a, b, out := elements(r.N), elements(r.N), make(fr.Vector, r.N)
		kernel = func() { out.Mul(a, b) }
	case "ntt_fr":
		// Out of order: gnark's own transforms multiply in that order and never sort.
		a, domain := elements(r.N), fft.NewDomain(uint64(r.N))
		kernel = func() { domain.FFT(a, fft.DIF, fft.WithNbTasks(1)) }
	case "msm_g1", "msm_g1_small":
		points, scalars := bn254.BatchScalarMultiplicationG1(&g1, elements(r.N)), elements(r.N)
		if r.Bits > 0 {
			scalars = small(r.N, r.Bits)
		}
		kernel = func() {
			var sum bn254.G1Jac
			if _, err := sum.MultiExp(points, scalars, one); err != nil {
				panic(err)
			}
		}
	case "msm_g2":
		points, scalars := bn254.BatchScalarMultiplicationG2(&g2, elements(r.N)), elements(r.N)
		kernel = func() {
			var sum bn254.G2Jac
			if _, err := sum.MultiExp(points, scalars, one); err != nil {
				panic(err)
			}
		}
	case "pairing_product", "pairing_product_prepared":
		p := bn254.BatchScalarMultiplicationG1(&g1, elements(r.N))
		q := bn254.BatchScalarMultiplicationG2(&g2, elements(r.N))
		kernel = func() {
			if _, err := bn254.PairingCheck(p, q); err != nil {
				panic(err)
			}
		}
		if r.Do == "pairing_product_prepared" {
			lines := make([][2][len(bn254.LoopCounter)]bn254.LineEvaluationAff, r.N)
			for i := range lines {
				lines[i] = bn254.PrecomputeLines(q[i])
			}
			kernel = func() {
				if _, err := bn254.PairingCheckFixedQ(p, lines); err != nil {
					panic(err)
				}
			}
		}
	default:
		return fmt.Errorf("no kernel %q", r.Do)
	}
	kernel()
	return nil
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/consensys/gnark-crypto" {
			return module.Version
		}
	}
	return ""
}

// What of the processor the build uses.
func instructions() string {
	switch {
	case cpu.SupportAVX512:
		return "AVX-512"
	case cpu.SupportADX:
		return "ADX"
	}
	return "pure Go"
}

func main() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	lines, answers := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var r request
		answer := map[string]any{}
		err := json.Unmarshal(lines.Bytes(), &r)
		switch {
		case err != nil:
		case r.Do == "setup":
			answer["label"] = fmt.Sprintf("gnark-crypto %s (%s, %s)", version(), runtime.Version(), instructions())
		case r.Do == "again":
			runtime.GC()
			start := seconds()
			for i := 0; i < r.Repeats; i++ {
				kernel()
			}
			answer["seconds"] = (seconds() - start) / float64(r.Repeats)
		default:
			err = prepare(r)
		}
		if err != nil {
			answer = map[string]any{"error": err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			return
		}
	}
}
