// Package harness runs the real programs on loopback: step-ca-intune, the stock
// step-ca of the same module and the simulator of Microsoft's side. Tests, the
// demo and benchmarks share it, so nothing in it needs a *testing.T.
//
// [Build] makes the programs, [StartSim] and [StartCA] run them, [NewCA] writes
// the files of a certificate authority.
package harness
