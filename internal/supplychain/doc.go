// Package supplychain decides what is proven of an image: from the signatures and attestations that stand beside it in its registry,
// the keys of a class, and the time. It is pure: what a registry has comes in from package fetch.
//
// A proof counts by its content alone, which names the digest of the image and is signed by a key of the class. Where in the registry
// it stands, and what the registry says of it, is for anybody who may push there to choose, and nothing is believed of that.
package supplychain
