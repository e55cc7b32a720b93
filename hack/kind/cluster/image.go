package main

import "fmt"

// source is where a node image can come from.
type source struct {
	// asked is an image that was asked for by name, if any, and stock is kind's own.
	asked, stock string
	// has says whether Docker has an image, pull has it ask a registry, and build makes ours and returns its name.
	has   func(image string) bool
	pull  func(image string) error
	build func() (string, error)
	// tell says what takes a while, or is not as one may expect.
	tell func(text string)
}

// image is the node image to use: the one that was asked for and no other; else kind's own where Docker has it or a registry hands it
// out; else ours. That a registry answers does not count: a mirror may, and not have it.
func (s source) image() (string, error) {
	if s.asked != "" {
		if s.has(s.asked) {
			return s.asked, nil
		}
		s.tell("asking a registry for " + s.asked)
		if err := s.pull(s.asked); err != nil {
			return "", fmt.Errorf("KIND_IMAGE is %s, which Docker does not have and no registry handed out: %w\n"+
				"docker images shows what there is; without KIND_IMAGE, make kind-up finds one by itself", s.asked, err)
		}
		return s.asked, nil
	}
	if s.has(s.stock) {
		return s.stock, nil
	}
	s.tell("asking a registry for " + s.stock)
	refused := s.pull(s.stock)
	if refused == nil {
		return s.stock, nil
	}
	s.tell(fmt.Sprintf("no registry has kind's node image for this machine (%v): using the one that is built here", refused))
	image, err := s.build()
	if err != nil {
		return "", fmt.Errorf("no registry handed out %s (%w), and the node image of this repository could not be built: %w", s.stock, refused, err)
	}
	return image, nil
}

// absent are the images that a node does not have as Docker has them. Docker and containerd have the same ID for the same image.
func absent(images []string, inDocker, inNode func(image string) string) []string {
	var missing []string
	seen := map[string]bool{}
	for _, image := range images {
		if !seen[image] && inNode(image) != inDocker(image) {
			missing = append(missing, image)
		}
		seen[image] = true
	}
	return missing
}
