// Package work is what every Go contender does with a turn: times in ms, text, role; sums or a digest of them.
package work

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"slices"
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
	crc                      map[string]uint32
	turns                    int
	roles                    map[string]int
	byID                     map[string]string
	Base                     int64 // conversationStartTime, which stands before the turns
	inside                   []Person
	only                     string
}

func New() *Sums {
	return &Sums{
		digest: len(os.Args) > 3 && os.Args[3] == "--digest",
		crc:    map[string]uint32{}, roles: map[string]int{}, byID: map[string]string{}, only: "unknown",
	}
}

// People are known before the turns, or at the end: then turns are counted by speaker until Print.
func (s *Sums) People(people []Person) {
	for _, one := range people {
		if one.Role == "supervisor" { // no role of ours
			one.Role = "unknown"
		}
		s.byID[one.ID] = one.Role
		if one.End == 0 {
			if one.Purpose != "internal" && one.Purpose != "external" && one.Purpose != "" {
				s.only = one.Purpose
			}
		} else if one.Purpose != "customer" {
			s.inside = append(s.inside, Person{Purpose: one.Purpose, Start: one.Start - s.Base, End: one.End - s.Base})
		}
	}
}

func (s *Sums) Flat(turn *Flat) {
	role, known := s.byID[turn.Speaker]
	if !known {
		role = turn.Speaker
	}
	s.take(int64(math.Floor(turn.Start*1000+0.5)), int64(math.Floor(turn.End*1000+0.5)), turn.Text, role)
}

func (s *Sums) Phrase(phrase *Phrase) {
	start := phrase.Start - s.Base
	end := start + phrase.Duration.Milliseconds
	role, most := "customer", int64(0)
	if phrase.Channel != "external" {
		role = s.only
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
		s.crc[role] = crc32.Update(s.crc[role], crc32.IEEETable, fmt.Appendf(nil, "%d %d %s\n", start, end, text))
		return
	}
	s.start += start
	s.end += end
	s.letters += int64(utf8.RuneCountInString(text))
}

// Print writes the one line that the report reads.
func (s *Sums) Print() {
	sums := []int64{s.start, s.end, s.letters}
	for id, count := range s.roles {
		if role, known := s.byID[id]; known {
			delete(s.roles, id)
			s.roles[role], s.crc[role] = count, s.crc[id]
		}
	}
	if s.digest {
		sums = sums[:0]
		for _, role := range slices.Sorted(maps.Keys(s.roles)) {
			sums = append(sums, int64(s.crc[role]))
		}
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
