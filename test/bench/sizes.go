package bench

// sizes is how much of everything a run does. The bursts take a second or two each.
type sizes struct {
	pairs, warm int
	keys        int // that all devices share
	// enrolments of a burst by the number of clients, with Intune at 0 ms and at 100 ms
	fast, slow map[int]int
	storm      int // devices
	waiting    int // requests
	waits      int // how often they wait
	growth     int // enrolments
	measured   int // of these at the beginning and at the end, in ten bursts each
	garbage    int // prepared messages for each pair
	honest     int // enrolments of a burst under garbage
	largeStart int // starts on a large database
	profile    int // enrolments under a profile
}

// fewestEnrolments leaves some for each burst of scenario (e).
const fewestEnrolments = 400

func sizesOf(p Plan) sizes {
	s := sizes{
		pairs: 15, warm: 300, keys: 64,
		fast:  map[int]int{1: 60, 8: 150, 64: 320},
		slow:  map[int]int{8: 80, 64: 384, 256: 1024},
		storm: 10_000, waiting: 2000, waits: 3, growth: 100_000, measured: 1000,
		garbage: 3000, honest: 80, largeStart: 5, profile: 3000,
	}
	if p.Quick {
		s = sizes{
			pairs: 2, warm: 50, keys: 8,
			fast:  map[int]int{1: 20, 8: 40, 64: 96},
			slow:  map[int]int{8: 24, 64: 96, 256: 320},
			storm: 200, waiting: 200, waits: 2, growth: 400, measured: 100,
			garbage: 1000, honest: 16, largeStart: 1, profile: 400,
		}
	}
	if p.Pairs > 0 {
		s.pairs = p.Pairs
	}
	if p.Enrolments > 0 {
		s.growth = p.Enrolments
		s.measured = min(s.measured, s.growth/4)
	}
	return s
}
