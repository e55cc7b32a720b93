package template

import (
	"encoding/json"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// DecodeParameters reads parameters as the API holds them; nil is none. Whole numbers become int64,
// as everywhere in Kubernetes. The error says that the value is no JSON object.
func DecodeParameters(raw *apiextensionsv1.JSON) (map[string]any, error) {
	if raw == nil || len(raw.Raw) == 0 {
		return nil, nil
	}
	var parameters map[string]any
	if err := utiljson.Unmarshal(raw.Raw, &parameters); err != nil {
		return nil, fmt.Errorf("parameters must be a JSON object: %w", err)
	}
	return parameters, nil
}

// EncodeParameters writes parameters in canonical JSON, with the keys in order; none is nil.
func EncodeParameters(parameters map[string]any) (*apiextensionsv1.JSON, error) {
	if len(parameters) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(parameters)
	if err != nil {
		return nil, fmt.Errorf("writing parameters: %w", err)
	}
	return &apiextensionsv1.JSON{Raw: raw}, nil
}
