package bench

import "context"

// latency is scenario (b): Intune takes its time. Beside it stands what the goals compare
// it with: the stock step-ca with one client, and with 64 while the load generator makes
// the calls, which Intune then answers at once.
func (b *bench) latency(ctx context.Context) error {
	for _, n := range []int{8, 64, 256} {
		sides := []*burst{{server: b.ours, clients: n, enrolments: b.slow[n], delay: answerTime}}
		if n == 8 {
			// Few who begin at once would stay in step and wait for each other.
			sides[0].spread = 2 * answerTime
			alone := b.stockAlone(1, b.fast[1])
			alone.name += ", 1 client"
			sides = append(sides, alone)
		} else {
			both := b.stockWithCalls(64, b.fast[64])
			alone := b.stockAlone(64, b.fast[64])
			both.name += ", 64 clients"
			alone.name += ", 64 clients"
			sides = append(sides, both, alone)
		}
		if _, err := b.pairs(ctx, "b", clients(n), b.sizes.pairs, sides...); err != nil {
			return err
		}
	}
	return nil
}
