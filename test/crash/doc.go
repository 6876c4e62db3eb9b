// Package crash kills certificate authorities at random moments, cuts their
// networks and spoils Intune's answers while devices enrol, and afterwards
// compares what the devices hold with what Intune lists and step-ca has stored.
//
// A [Site] is a CA of one or two replicas with its Intune; [Site.Devices] makes
// devices that enrol at it; a [Link] is a network that can be cut; [Run] plays
// rounds of all of it.
package crash
