package history

import "errors"

// ErrDamaged is among the errors of a Store whose file or tables cannot be read as what they should be.
var ErrDamaged = errors.New("the history is damaged")
