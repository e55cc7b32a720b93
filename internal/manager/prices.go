package manager

import (
	"fmt"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/towpath-dev/towpath/internal/cost"
)

// PricesConfiguration is a list of prices as internal/cost reads it.
type PricesConfiguration struct {
	// list is nil where there is none.
	list *cost.Prices
}

// UnmarshalJSON leaves the list to read: on the way to JSON, amounts become floats.
func (p *PricesConfiguration) UnmarshalJSON([]byte) error { return nil }

// MarshalJSON writes nothing: the list is not kept as it was written.
func (p PricesConfiguration) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// read takes the list from the text of a configuration.
func (p *PricesConfiguration) read(configuration []byte) error {
	var file struct {
		Prices yamlv3.Node `yaml:"prices"`
	}
	if err := yamlv3.Unmarshal(configuration, &file); err != nil {
		return err
	}
	if file.Prices.IsZero() {
		return nil
	}
	text, err := yamlv3.Marshal(&file.Prices)
	if err != nil {
		return fmt.Errorf("prices: %w", err)
	}
	if p.list, err = cost.Load(text); err != nil {
		return fmt.Errorf("prices: %w", err)
	}
	return nil
}
