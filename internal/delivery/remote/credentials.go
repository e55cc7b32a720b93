package remote

import (
	"strings"

	"sigs.k8s.io/yaml"
)

// entry is an entry of the Secret with credentials, in YAML.
type entry struct {
	// Repository is an address that the URL must begin with: who may name another URL must not get the credentials sent there.
	Repository string `json:"repository"`
	Username   string `json:"username"`
	Password   string `json:"password"`
	Identity   string `json:"identity"`
	Passphrase string `json:"passphrase"`
	KnownHosts string `json:"knownHosts"`
	CA         string `json:"ca"`
}

// ReadCredentials reads the entry of a key for a repository. Its errors show nothing of the entry.
func ReadCredentials(data map[string][]byte, key, url string) (Credentials, []byte, error) {
	raw, found := data[key]
	if !found {
		return Credentials{}, nil, problem(ReasonCredentials, "there is no key %.253s with credentials for the repository %s: add it", key, url)
	}
	var e entry
	if err := yaml.UnmarshalStrict(raw, &e); err != nil { // the error may show what it read
		return Credentials{}, nil, problem(ReasonCredentials, "the key %s must be YAML with repository, and username and password, or identity, passphrase and knownHosts, "+
			"and perhaps ca: one of its lines is not", key)
	}
	for prefix := range strings.FieldsSeq(e.Repository) {
		if prefix = strings.TrimSuffix(prefix, "/"); url == prefix || strings.HasPrefix(url, prefix+"/") {
			return Credentials{
				Username: strings.TrimSpace(e.Username), Password: strings.TrimSpace(e.Password),
				Key: []byte(e.Identity), Passphrase: e.Passphrase, KnownHosts: []byte(e.KnownHosts),
			}, []byte(e.CA), nil
		}
	}
	return Credentials{}, nil, problem(ReasonCredentials, "the credentials of the key %s are not for the repository %s: its field repository must be an address that this begins with", key, url)
}
