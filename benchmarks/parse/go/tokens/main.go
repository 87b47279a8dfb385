// The loop of the tutorial: Token, More and Decode of one element at a time.
package main

import (
	"benchmarks/parse/work"
	"encoding/json"
	"os"
)

func main() {
	file, err := os.Open(os.Args[2])
	work.Check(err)
	dec, sums := json.NewDecoder(file), work.New()
	object(dec, func(key string) bool {
		switch key {
		case "participants":
			var people []work.Person
			work.Check(dec.Decode(&people))
			sums.People(people)
		case "conversationStartTime":
			work.Check(dec.Decode(&sums.Base))
		case "transcript":
			array(dec, func() {
				var turn work.Flat
				work.Check(dec.Decode(&turn))
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
						work.Check(dec.Decode(&phrase))
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

func object(dec *json.Decoder, member func(string) bool) {
	next(dec)
	for dec.More() {
		key, err := dec.Token()
		work.Check(err)
		if !member(key.(string)) {
			var skipped json.RawMessage
			work.Check(dec.Decode(&skipped))
		}
	}
	next(dec)
}

func array(dec *json.Decoder, element func()) {
	next(dec)
	for dec.More() {
		element()
	}
	next(dec)
}

func next(dec *json.Decoder) {
	_, err := dec.Token()
	work.Check(err)
}
