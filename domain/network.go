package domain

import "net/netip"

// NetworkOf returns the network of an address that stands for a place: the
// /24 of an IPv4 address, the /48 of an IPv6 one. It is empty for what is no
// address.
func NetworkOf(ip string) string { return prefixOf(ip, 24, 48) }

// HostOf returns the network that one client has to itself: an IPv4 address,
// the /64 of an IPv6 one. It is empty for what is no address.
func HostOf(ip string) string { return prefixOf(ip, 32, 64) }

func prefixOf(ip string, bits4, bits6 int) string {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	address = address.WithZone("").Unmap()
	bits := bits6
	if address.Is4() {
		bits = bits4
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}
