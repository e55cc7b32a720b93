// Package lazylog keeps the values of a logger as they are until something is logged. Each pass of a controller gives its logger
// several, and logs nothing as a rule; zap would write them as JSON each time, into a kilobyte of its own.
package lazylog

import (
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Option has a logger of zap be one. What is logged is the same.
func Option() zap.Option {
	return zap.WrapCore(func(under zapcore.Core) zapcore.Core { return &core{Core: under} })
}

// core is a core with the fields that it has not been given yet.
type core struct {
	zapcore.Core
	fields []zapcore.Field
}

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	return &core{Core: c.Core, fields: slices.Concat(c.fields, fields)}
}

// Check implements zapcore.Core.
func (c *core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	return c.Core.Write(entry, slices.Concat(c.fields, fields))
}
