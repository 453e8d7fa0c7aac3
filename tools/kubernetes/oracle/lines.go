package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// The longest line: a plan for the largest cluster is some megabytes.
const longestLine = 256 << 20

// eachLine answers every line of in, a question of type Q, with a line of out.
func eachLine[Q, A any](in io.Reader, out io.Writer, answer func(Q) (A, error)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), longestLine)
	encoder := json.NewEncoder(out)
	for number := 1; lines.Scan(); number++ {
		var question Q
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		answered, err := answer(question)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := encoder.Encode(answered); err != nil {
			return err
		}
	}
	return lines.Err()
}
