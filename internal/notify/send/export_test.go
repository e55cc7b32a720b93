package send

// Gates is of how many targets the rate is remembered.
func (s *Sender) Gates() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.gates)
}
