package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	// errUsage is the cause of whatever was called in another way than usage says.
	errUsage = errors.New(usage)
	// errHelp is what becomes of a call that asks how to call it.
	errHelp = errors.New("asked for help")
)

// request is what the arguments ask for.
type request struct {
	verb string
	// operands are the images to load, the one folder for logs, or a folder and a command.
	operands []string
	// keep is for a command: what was started for it stays.
	keep bool
}

func parse(arguments []string) (request, error) {
	if len(arguments) == 0 {
		return request{}, errUsage
	}
	r := request{verb: arguments[0], operands: arguments[1:]}
	if slices.Contains([]string{"--help", "-h", "-help", "help"}, r.verb) || len(r.operands) > 0 && slices.Contains([]string{"--help", "-h"}, r.operands[0]) {
		return request{}, errHelp
	}
	if wrong := r.check(); wrong != "" {
		return request{}, fmt.Errorf("%s\n\n%w", wrong, errUsage)
	}
	return r, nil
}

// check says what is wrong with a request, nothing where it is right.
func (r *request) check() string {
	switch r.verb {
	case "up", "down":
		if len(r.operands) > 0 {
			return fmt.Sprintf("cluster %s takes nothing, and was given %q", r.verb, r.operands)
		}
	case "load":
		if len(r.operands) == 0 {
			return "cluster load must be given at least one image"
		}
		for _, image := range r.operands {
			if wrong := wrongWord(image); wrong != "" {
				return fmt.Sprintf("cluster load was given an image whose name %s: %q", wrong, r.operands)
			}
		}
	case "logs":
		if len(r.operands) != 1 {
			return fmt.Sprintf("cluster logs must be given one folder, and was given %q", r.operands)
		}
		if wrong := wrongWord(r.operands[0]); wrong != "" {
			return fmt.Sprintf("cluster logs was given a folder whose name %s: %q", wrong, r.operands[0])
		}
	case "with":
		if len(r.operands) > 0 && r.operands[0] == "--keep" {
			r.keep, r.operands = true, r.operands[1:]
		}
		if len(r.operands) < 2 {
			return fmt.Sprintf("cluster with must be given a folder and a command, and was given %q", r.operands)
		}
		if wrong := wrongWord(r.operands[0]); wrong != "" {
			return fmt.Sprintf("cluster with was given a folder whose name %s: %q", wrong, r.operands[0])
		}
		if r.operands[1] == "" {
			return "cluster with was given a command whose name is empty"
		}
	default:
		return fmt.Sprintf("cluster %s is no command", r.verb)
	}
	return ""
}

// wrongWord says why a word is no name, as what an unset variable leaves, or an option that there is not, which Docker would take.
func wrongWord(word string) string {
	switch {
	case strings.TrimSpace(word) == "":
		return "is empty (is a variable unset?)"
	case strings.HasPrefix(word, "-"):
		return "begins with -, and there is no such option"
	default:
		return ""
	}
}

// settings are what the environment says.
type settings struct {
	// cluster is the name that was asked for; empty is that of the clone.
	cluster string
	// image is the node image that was asked for by name; empty leaves the choice to us.
	image string
	// pullTimeout bounds how long a registry may take.
	pullTimeout time.Duration
}

func settingsOf(variable func(string) string) (settings, error) {
	s := settings{cluster: variable(nameVariable), image: variable("KIND_IMAGE"), pullTimeout: 10 * time.Minute}
	if s.cluster != "" && !names.MatchString(s.cluster) {
		return settings{}, fmt.Errorf("the cluster's name (CLUSTER, %s) is %q: it must have small letters, digits and dashes inside, and 48 of them at most", nameVariable, s.cluster)
	}
	if text := variable("KIND_PULL_TIMEOUT"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 {
			return settings{}, fmt.Errorf("KIND_PULL_TIMEOUT is %q: it must be a number of seconds, from 1", text)
		}
		s.pullTimeout = time.Duration(seconds) * time.Second
	}
	return s, nil
}
