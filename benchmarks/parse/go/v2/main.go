// The newest of the standard library: encoding/json/jsontext tokens and json/v2 UnmarshalDecode per element.
package main

import (
	"benchmarks/parse/work"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"os"
)

func main() {
	file, err := os.Open(os.Args[2])
	work.Check(err)
	dec, sums := jsontext.NewDecoder(file), work.New()
	object(dec, func(key string) bool {
		switch key {
		case "participants":
			var people []work.Person
			work.Check(json.UnmarshalDecode(dec, &people))
			sums.People(people)
		case "conversationStartTime":
			work.Check(json.UnmarshalDecode(dec, &sums.Base))
		case "transcript":
			array(dec, func() {
				var turn work.Flat
				work.Check(json.UnmarshalDecode(dec, &turn))
				sums.Flat(&turn)
			})
		case "transcripts":
			array(dec, func() {
				object(dec, func(key string) bool {
					if key != "phrases" {
						return false
					}
					array(dec, func() {
						var phrase work.Phrase
						work.Check(json.UnmarshalDecode(dec, &phrase))
						sums.Phrase(&phrase)
					})
					return true
				})
			})
		default:
			return false
		}
		return true
	})
	sums.Print()
}

func object(dec *jsontext.Decoder, member func(string) bool) {
	next(dec)
	for dec.PeekKind() != '}' {
		key := next(dec).String()
		if !member(key) {
			work.Check(dec.SkipValue())
		}
	}
	next(dec)
}

func array(dec *jsontext.Decoder, element func()) {
	next(dec)
	for dec.PeekKind() != ']' {
		element()
	}
	next(dec)
}

func next(dec *jsontext.Decoder) jsontext.Token {
	token, err := dec.ReadToken()
	work.Check(err)
	return token
}
