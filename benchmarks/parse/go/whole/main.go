// The whole document decoded into memory at once.
package main

import (
	"benchmarks/parse/work"
	"encoding/json"
	"os"
)

type document struct {
	Base         int64         `json:"conversationStartTime"`
	Participants []work.Person `json:"participants"`
	Transcript   []work.Flat   `json:"transcript"`
	Transcripts  []struct {
		Phrases []work.Phrase `json:"phrases"`
	} `json:"transcripts"`
}

func main() {
	file, err := os.Open(os.Args[2])
	work.Check(err)
	var whole document
	work.Check(json.NewDecoder(file).Decode(&whole))
	sums := work.New()
	sums.Base = whole.Base
	sums.People(whole.Participants)
	for at := range whole.Transcript {
		sums.Flat(&whole.Transcript[at])
	}
	for _, one := range whole.Transcripts {
		for at := range one.Phrases {
			sums.Phrase(&one.Phrases[at])
		}
	}
	sums.Print()
}
