// Package bench measures step-ca-intune beside the stock step-ca of the same module: both
// run at once, each with its own copy of the same files, and get short bursts of load in
// random order, since on a machine that others use, too, only what lies side by side can
// be compared. Each figure is the median of the bursts with its quartiles, and so is the
// ratio within each pair.
//
// The messages of the devices are prepared before the clock starts and the answers checked
// after it has stopped. The time of the servers' processors is what the operating system
// counts for their processes alone. It needs Linux.
package bench
