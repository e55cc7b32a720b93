// Package dnstest serves names to tests, which may say another address each time that they are asked for.
package dnstest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// Server answers by UDP, on an address of this machine.
type Server struct {
	connection net.PacketConn

	mu    sync.Mutex
	names map[string][][]netip.Addr
	asked map[string]int
}

// Start returns one that runs. It has to be closed.
func Start() (*Server, error) {
	connection, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{connection: connection, names: map[string][][]netip.Addr{}, asked: map[string]int{}}
	go s.serve()
	return s, nil
}

// Close ends it.
func (s *Server) Close() { _ = s.connection.Close() }

// Set says what a name leads to: the first answer, the second one, and so on; the last one for ever.
func (s *Server) Set(name string, answers ...[]netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name+"."], s.asked[name+"."] = answers, 0
}

// Asked is how often a name was asked for, by either kind of address.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name+"."]
}

// Resolver asks it, and nobody else.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", s.connection.LocalAddr().String())
	}}
}

func (s *Server) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := s.connection.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		var query dnsmessage.Message
		if err != nil || query.Unpack(buffer[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		if answer, err := s.answer(query); err == nil {
			_, _ = s.connection.WriteTo(answer, from)
		}
	}
}

func (s *Server) answer(query dnsmessage.Message) ([]byte, error) {
	question := query.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	addresses, found := s.next(strings.ToLower(question.Name.String()), question.Type)
	if !found {
		answer.RCode = dnsmessage.RCodeNameError
	}
	for _, address := range addresses {
		resource := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: dnsmessage.ClassINET}}
		switch {
		case address.Is4() && question.Type == dnsmessage.TypeA:
			resource.Body = &dnsmessage.AResource{A: address.As4()}
		case address.Is6() && question.Type == dnsmessage.TypeAAAA:
			resource.Body = &dnsmessage.AAAAResource{AAAA: address.As16()}
		default:
			continue
		}
		answer.Answers = append(answer.Answers, resource)
	}
	return answer.Pack()
}

// next is what a name leads to now. A client asks for both kinds of addresses at once: the question for IPv4 counts.
func (s *Server) next(name string, kind dnsmessage.Type) ([]netip.Addr, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answers, found := s.names[name]
	if !found || len(answers) == 0 {
		return nil, found
	}
	i := min(s.asked[name], len(answers)-1)
	if kind == dnsmessage.TypeA {
		s.asked[name]++
	}
	return answers[i], true
}
