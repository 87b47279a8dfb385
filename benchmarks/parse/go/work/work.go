// Package work is what every Go contender does with a turn: times in ms, text, role; sums or a digest of them.
package work

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"strings"
	"unicode/utf8"
)

type Flat struct {
	Start      float64 `json:"start_time"`
	End        float64 `json:"end_time"`
	Text       string  `json:"text"`
	Speaker    string  `json:"speaker_id"`
	Confidence float64 `json:"confidence"`
}

type Phrase struct {
	Index      int     `json:"phraseIndex"`
	Channel    string  `json:"participantPurpose"`
	Text       string  `json:"text"`
	Confidence float64 `json:"confidence"`
	Start      int64   `json:"startTimeMs"`
	Duration   struct {
		Milliseconds int64 `json:"milliseconds"`
	} `json:"duration"`
}

type Person struct {
	ID      string `json:"id"`
	Role    string `json:"role"`
	Purpose string `json:"participantPurpose"`
	Start   int64  `json:"startTimeMs"`
	End     int64  `json:"endTimeMs"`
}

// Sums is what is counted of every turn.
type Sums struct {
	digest                   bool
	start, end, letters      int64
	crc                      uint32
	turns                    int
	roles                    map[string]int
	byID                     map[string]string
	base                     int64
	inside                   []Person
}

func New() *Sums {
	return &Sums{digest: len(os.Args) > 3 && os.Args[3] == "--digest", roles: map[string]int{}, byID: map[string]string{}}
}

// People are known before the turns: the documents of the main table have them first.
func (s *Sums) People(people []Person) {
	s.base = math.MaxInt64
	for _, one := range people {
		s.byID[one.ID] = one.Role
		s.base = min(s.base, one.Start)
	}
	for _, one := range people {
		if one.Purpose != "customer" {
			s.inside = append(s.inside, Person{Purpose: one.Purpose, Start: one.Start - s.base, End: one.End - s.base})
		}
	}
}

func (s *Sums) Flat(turn *Flat) {
	s.take(int64(math.Floor(turn.Start*1000+0.5)), int64(math.Floor(turn.End*1000+0.5)), turn.Text, s.byID[turn.Speaker])
}

func (s *Sums) Phrase(phrase *Phrase) {
	start := phrase.Start - s.base
	end := start + phrase.Duration.Milliseconds
	role, most := "customer", int64(0)
	if phrase.Channel != "external" {
		role = "unknown"
		for _, one := range s.inside {
			if overlap := min(one.End, end) - max(one.Start, start); overlap > most {
				most, role = overlap, one.Purpose
			}
		}
	}
	s.take(start, end, phrase.Text, role)
}

func (s *Sums) take(start, end int64, text, role string) {
	s.turns++
	s.roles[role]++
	if s.digest {
		s.crc = crc32.Update(s.crc, crc32.IEEETable, fmt.Appendf(nil, "%d %d %s %s\n", start, end, role, text))
		return
	}
	s.start += start
	s.end += end
	s.letters += int64(utf8.RuneCountInString(text))
}

// Print writes the one line that the report reads.
func (s *Sums) Print() {
	sums := []int64{s.start, s.end, s.letters}
	if s.digest {
		sums = []int64{int64(s.crc)}
	}
	status, _ := os.ReadFile("/proc/self/status")
	var peak float64
	fmt.Sscan(strings.SplitN(string(status), "VmHWM:", 2)[1], &peak)
	line, _ := json.Marshal(map[string]any{"rss": peak / 1024, "turns": s.turns, "sums": sums, "roles": s.roles})
	fmt.Println(string(line))
}

// Check ends the program for an error.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
