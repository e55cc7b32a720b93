package gitsource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/towpath-dev/towpath/internal/gittext"
	"github.com/towpath-dev/towpath/internal/gitwire"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// Reason is why a repository could not be asked.
type Reason string

// The reasons.
const (
	// AddressRefused: the URL must not be reached, or leads elsewhere.
	AddressRefused Reason = "AddressRefused"
	// BranchNotFound: the repository has no such branch.
	BranchNotFound Reason = "BranchNotFound"
	// CredentialsMissing: credentials are needed, and are not there or cannot be read.
	CredentialsMissing Reason = "CredentialsMissing"
	// CredentialsRefused: the server does not know who asks, or does not let them.
	CredentialsRefused Reason = "CredentialsRefused"
	// HostKeyRefused: the server of SSH has another key than known_hosts says, or none that it says.
	HostKeyRefused Reason = "HostKeyRefused"
	// RepositoryNotFound: there is no such repository, or these credentials do not see it.
	RepositoryNotFound Reason = "RepositoryNotFound"
	// RepositoryUnsupported: it is no Git, or one that lacks what is needed, or that answers more than is read.
	RepositoryUnsupported Reason = "RepositoryUnsupported"
	// NotReachable: the server does not answer, or answers with an error of its own. It may pass.
	NotReachable Reason = "NotReachable"
)

// Problem is why a repository could not be asked. Its message says what to do, and holds no credential.
type Problem struct {
	Reason  Reason
	Message string
}

func (p *Problem) Error() string { return p.Message }

// ProblemOf is the problem of an error; nil where there is none.
func ProblemOf(err error) *Problem {
	p, _ := errors.AsType[*Problem](err)
	return p
}

func problem(reason Reason, format string, args ...any) error {
	return &Problem{reason, fmt.Sprintf(format, args...)}
}

// maxRemoteText is how much of what a server says is shown.
const maxRemoteText = 300

// said is what a server told, fit to be shown: in one line, short, and without the credentials, should it repeat them.
func said(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "[hidden]")
	}
	return gittext.Line(text, maxRemoteText)
}

// explain makes any error a Problem, but for that of a context that was cancelled. Errors of net/http name the URL, and those of
// net the address that a name leads to; neither is repeated.
func (p place) explain(ctx context.Context, err error, secrets []string) error {
	switch {
	case err == nil || ProblemOf(err) != nil:
		return err
	case errors.Is(err, context.Canceled):
		return err
	case ctx.Err() != nil:
		return problem(NotReachable, "%s did not answer in time", p)
	}
	if refused, ok := errors.AsType[*outbound.RefusedError](err); ok {
		return problem(AddressRefused, "%s must not be reached: %s", p, refused.Error())
	}
	if errors.Is(err, gitwire.ErrTooLarge) {
		return problem(RepositoryUnsupported, "%s lists more branches and tags than are read: delete old ones", p)
	}
	return problem(NotReachable, "%s cannot be read: %s", p, said(outbound.Innermost(err).Error(), secrets))
}
