package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// errUsage is the cause of whatever was called in another way than usage says.
var errUsage = errors.New(usage)

// request is what the arguments ask for.
type request struct {
	verb string
	// operands are the images to load, or the one folder for logs.
	operands []string
}

func parse(arguments []string) (request, error) {
	if len(arguments) == 0 {
		return request{}, errUsage
	}
	r := request{verb: arguments[0], operands: arguments[1:]}
	switch r.verb {
	case "up", "down":
		if len(r.operands) > 0 {
			return request{}, fmt.Errorf("cluster %s takes nothing, and was given %q\n\n%w", r.verb, r.operands, errUsage)
		}
	case "load":
		if len(r.operands) == 0 {
			return request{}, fmt.Errorf("cluster load must be given at least one image\n\n%w", errUsage)
		}
	case "logs":
		if len(r.operands) != 1 {
			return request{}, fmt.Errorf("cluster logs must be given one folder, and was given %q\n\n%w", r.operands, errUsage)
		}
	default:
		return request{}, fmt.Errorf("cluster %s is no command\n\n%w", r.verb, errUsage)
	}
	return r, nil
}

// settings are what the environment says.
type settings struct {
	// image is the node image that was asked for by name; empty leaves the choice to us.
	image string
	// pullTimeout bounds how long a registry may take.
	pullTimeout time.Duration
}

func settingsOf(variable func(string) string) (settings, error) {
	s := settings{image: variable("KIND_IMAGE"), pullTimeout: 10 * time.Minute}
	if text := variable("KIND_PULL_TIMEOUT"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 {
			return settings{}, fmt.Errorf("KIND_PULL_TIMEOUT is %q: it must be a number of seconds, from 1", text)
		}
		s.pullTimeout = time.Duration(seconds) * time.Second
	}
	return s, nil
}
