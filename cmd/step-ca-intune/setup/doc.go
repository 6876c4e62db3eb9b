// Package setup makes a certificate authority for Intune's devices, or adds an Intune
// provisioner to one that is there.
//
// [Options] are what an operator decides. [Prepare] makes keys and certificates in memory
// and touches nothing; the [Plan] that it returns shows what it would change, writes it, and
// says what to enter in Microsoft's consoles afterwards. Nothing that exists is overwritten.
package setup
