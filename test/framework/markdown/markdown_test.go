package markdown_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/test/framework/markdown"
)

func TestBlocksAreFoundWithTheirMarkers(t *testing.T) {
	page := "# Title\n\n" +
		"```yaml\na: 1\n```\n\n" +
		"<!-- yaml: part of Component -->\n```yaml\n  b: 2\n```\n" +
		"<!-- yaml: lost -->\n\n```\n$ towpath\n```\n" +
		"- an item\n  ~~~yaml\n  c: 3\n  ```\n  ~~~\n" +
		"`` `inline` ``\n"
	want := []markdown.Block{
		{Line: 4, Language: "yaml", Text: "a: 1\n"},
		{Line: 9, Language: "yaml", Marker: "part of Component", Text: "  b: 2\n"},
		{Line: 14, Text: "$ towpath\n"},
		{Line: 18, Language: "yaml", Text: "c: 3\n```\n"},
	}
	if diff := cmp.Diff(want, markdown.Blocks(page)); diff != "" {
		t.Error(diff)
	}
}
