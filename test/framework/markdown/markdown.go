// Package markdown finds the blocks of code in a page, and what a page says of them for tests.
package markdown

import (
	"regexp"
	"strings"
)

// Block is a fenced block of code.
type Block struct {
	// Line is that of its first line of text, from 1.
	Line int
	// Language is what stands behind the fence, such as yaml.
	Language string
	// Marker is what a comment right above the fence says of the block to the tests, such as "part of Component" where it is
	// <!-- yaml: part of Component -->. Readers do not see it.
	Marker string
	// Text is the block, without the indentation that its fence has.
	Text string
}

var (
	fence  = regexp.MustCompile("^( *)(```+|~~~+) *([A-Za-z]*)[^`]*$")
	marker = regexp.MustCompile(`^ *<!-- yaml: (.*\S) -->$`)
)

// Blocks returns the blocks of a page, in their order.
func Blocks(page string) []Block {
	var (
		blocks []Block
		open   []string // the match of the fence of the block that is read
		text   strings.Builder
		mark   string
		line   int
	)
	for l := range strings.SplitSeq(strings.ReplaceAll(page, "\r\n", "\n"), "\n") {
		line++
		if open == nil {
			if m := fence.FindStringSubmatch(l); m != nil {
				open = m
				text.Reset()
				blocks = append(blocks, Block{Line: line + 1, Language: m[3], Marker: mark})
			}
			mark = ""
			if m := marker.FindStringSubmatch(l); m != nil {
				mark = m[1]
			}
			continue
		}
		if end := strings.TrimSpace(l); strings.HasPrefix(end, open[2]) && strings.Trim(end, open[2][:1]) == "" {
			blocks[len(blocks)-1].Text = text.String()
			open = nil
			continue
		}
		text.WriteString(strings.TrimPrefix(l, open[1]) + "\n")
	}
	return blocks
}
