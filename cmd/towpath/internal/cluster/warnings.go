package cluster

import (
	"context"
	"slices"
)

// collector is the key of a context's list of warnings.
type collector struct{}

// CollectWarnings has the warnings of the API server to requests with the context added to a list.
func CollectWarnings(ctx context.Context, into *[]string) context.Context {
	return context.WithValue(ctx, collector{}, into)
}

// warnings hands the API server's warnings to whoever asked for them with the context. Others would not know what to
// do with them: they are about objects that somebody else wrote.
type warnings struct{}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (warnings) HandleWarningHeaderWithContext(ctx context.Context, _ int, _ string, text string) {
	if list, ok := ctx.Value(collector{}).(*[]string); ok && !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}
