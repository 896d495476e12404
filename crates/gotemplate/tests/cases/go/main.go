// Writes cases.jsonl and data.json beside this folder: templates of every kind executed by Go itself.
//
//	cd tests/cases/go && go run . ..
//
// Any Go from 1.19 on will do; templates that need a newer one are in ../newer.jsonl, written by hand.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	texttemplate "text/template"
	"time"
)

type testCase struct {
	Name     string `json:"name"`
	Mode     string `json:"mode"`
	Data     string `json:"data"`
	Template string `json:"template"`
	Output   string `json:"output,omitempty"`
	Error    string `json:"error,omitempty"`
}

var rule = map[string]any{
	"Value": 97.25, "Big": 98765432.0, "Neg": -0.5, "Zero": 0.0,
	"Int": 7, "Ints": []int{5, -3, 0}, "Floats": []float64{0.1, 1e100, -2.5e-9},
	"Bool": false, "Nil": nil, "Str": "a<b>&\"c\"'d' \u00fc\u200b\U0001f525", "Empty": []string{},
	"List": []string{"x", "y z", "<i>"}, "Map": map[string]int{"two": 2, "one": 1},
	"Labels": map[string]string{"alertname": "Disk", "path": "/var/lib\\x", "job": "node"},
	"Nested": map[string]any{"a": map[string]any{"b": []any{1, "s", nil, 2.5}}, "on": true},
	"Url":    "https://e.org/p a?q=1&r=<2>#f", "Js": "javascript:alert(1)", "Text": "line one\nline\ttwo </script> <!-- `x` ${y}",
}

// Templates that Go answers otherwise since 1.19; ../newer.jsonl has some of them.
var changed = map[string]bool{
	`{{ 1) }}`: true, `{{ if .Labels.nope }}a{{ else with .Int }}{{ . }}{{ end }}`: true, `<a title={{ .Nil }}>`: true, `<a title={{ "" }}>`: true,
	`<a href={{ .Nil }}>`: true, `<a href={{ "" }}>`: true, `<input value={{ .Nil }}>`: true, `<input value={{ "" }}>`: true, `<script>var a = "</script>{{ .Int }}`: true,
}

var funcs = texttemplate.FuncMap{
	"toUpper": strings.ToUpper, "toLower": strings.ToLower, "trimSpace": strings.TrimSpace,
	"join":         func(sep string, s []string) string { return strings.Join(s, sep) },
	"match":        regexp.MatchString,
	"reReplaceAll": func(p, r, t string) string { return regexp.MustCompile(p).ReplaceAllString(t, r) },
	"safeHtml":     func(s string) htmltemplate.HTML { return htmltemplate.HTML(s) },
	"safeUrl":      func(s string) htmltemplate.URL { return htmltemplate.URL(s) },
	"urlUnescape":  url.QueryUnescape,
	"stringSlice":  func(s ...string) []string { return s },
	"list":         func(a ...any) []any { return a },
	"toJson": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	"toDate": func(l, s string) time.Time { t, _ := time.ParseInLocation(l, s, time.UTC); return t },
	"date":   func(f string, t time.Time) string { return t.Format(f) },
	"tz": func(n string, t time.Time) (time.Time, error) {
		loc, err := time.LoadLocation(n)
		if err != nil {
			return time.Time{}, err
		}
		return t.In(loc), nil
	},
	"mustToDate": func(l, s string) (time.Time, error) { return time.ParseInLocation(l, s, time.UTC) },
}

func run(mode, text string) (out string, err error) {
	var buf bytes.Buffer
	if mode == "text" {
		t, err := texttemplate.New("case").Option("missingkey=zero").Funcs(funcs).Parse(text)
		if err != nil {
			return "", err
		}
		err = t.Execute(&buf, rule)
		return buf.String(), err
	}
	t, err := htmltemplate.New("case").Option("missingkey=zero").Funcs(htmltemplate.FuncMap(funcs)).Parse(text)
	if err != nil {
		return "", err
	}
	err = t.Execute(&buf, rule)
	return buf.String(), err
}

func main() {
	dir := os.Args[1]
	data, err := json.MarshalIndent(map[string]any{"rule": rule}, "", " ")
	check(err)
	check(os.WriteFile(filepath.Join(dir, "data.json"), append(data, '\n'), 0o644))
	file, err := os.Create(filepath.Join(dir, "cases.jsonl"))
	check(err)
	w := bufio.NewWriter(file)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	seen := map[string]bool{}
	for _, group := range groups() {
		for i, text := range group.templates {
			for _, mode := range group.modes {
				if seen[mode+text] || changed[text] {
					continue
				}
				seen[mode+text] = true
				c := testCase{Name: fmt.Sprintf("%s-%04d", group.name, i), Mode: mode, Data: "rule", Template: text}
				c.Output, err = run(mode, text)
				if err != nil {
					c.Output, c.Error = "", err.Error()
				}
				check(encoder.Encode(c))
			}
		}
	}
	check(w.Flush())
	check(file.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
