// Command alloysyntax checks a directory of Grafana Alloy configuration without the alloy binary.
//
// It reads {"files": {"name.alloy": "text"}} from standard input and writes
// {"ok": bool, "diagnostics": [...]} to standard output. Exit status: 0 checked and right, 1 checked and wrong,
// 2 not checked (bad input).
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

type request struct {
	Files map[string]string `json:"files"`
}

type response struct {
	OK          bool         `json:"ok"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

func main() {
	os.Exit(run(os.Stdin, os.Stdout, os.Stderr))
}

func run(in io.Reader, out, errors io.Writer) int {
	var req request
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&req); err != nil {
		fmt.Fprintf(errors, "alloysyntax: standard input is not {\"files\": {name: text}}: %s\n", err)
		return 2
	}
	found := check(req.Files)
	res := response{OK: true, Diagnostics: found}
	for _, d := range found {
		if d.Severity == severityError {
			res.OK = false
		}
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(res); err != nil {
		fmt.Fprintf(errors, "alloysyntax: cannot write the result: %s\n", err)
		return 2
	}
	if !res.OK {
		return 1
	}
	return 0
}
