package main

import "fmt"

type group struct {
	name      string
	modes     []string
	templates []string
}

var both = []string{"text", "html"}

func groups() []group {
	return []group{
		{"verb", []string{"text"}, verbs()},
		{"directive", []string{"text"}, directives},
		{"number", []string{"text"}, numbers()},
		{"compare", []string{"text"}, comparisons()},
		{"action", both, actions},
		{"builtin", both, builtins},
		{"error", both, errors},
		{"context", []string{"html"}, contexts()},
		{"html", both, documents},
		{"time", []string{"text"}, times()},
		{"regexp", []string{"text"}, regexps},
		{"string", []string{"text"}, stringLiterals},
	}
}

func verbs() (all []string) {
	args := []string{"7", "-42", "0", "97.25", "-0.000012", "1e100", `"h\u00e9\x00<>"`, "false", "nil", "'\u00e9'", ".Ints", ".Floats",
		".List", ".Map", ".Nested", ".Str", "1i", `(safeHtml "<b>")`}
	for _, verb := range []string{"%v", "%+v", "%#v", "%T", "%d", "%+d", "% d", "%6d|", "%-6d|", "%06d", "%.4d", "%x", "%X", "%#x", "% x",
		"%# X", "%o", "%#o", "%O", "%b", "%#b", "%c", "%U", "%#U", "%q", "%+q", "%#q", "%s", "%.3s|", "%8.2s|", "%-8s|", "%08s", "%t", "%e", "%.0e", "%E", "%f", "%F",
		"%.0f", "%#.0f", "%9.3f|", "%+.2f", "% .1f", "%010.2f", "%-10.2f|", "%g", "%.2g", "%#g", "%#.3g", "%G", "%.3x", "%p2", "%w", "%y"} {
		for _, arg := range args {
			if verb == "%p2" {
				continue
			}
			all = append(all, fmt.Sprintf("{{ printf %q %s }}", verb, arg))
		}
	}
	return
}

var directives = []string{
	`{{ printf "%" }}`, `{{ printf "%d %d" 1 }}`, `{{ printf "%d" 1 2 "x" nil }}`, `{{ printf "%[2]d %[1]d" 1 2 }}`, `{{ printf "%[3]d" 1 2 }}`,
	`{{ printf "%[0]d" 1 }}`, `{{ printf "%[x]d" 1 }}`, `{{ printf "%[1" 1 }}`, `{{ printf "%[1]*d" 5 6 }}`, `{{ printf "%[2]*[1]d|" 5 6 }}`,
	`{{ printf "%*d|" 8 42 }}`, `{{ printf "%-*d|" 8 42 }}`, `{{ printf "%*d|" -8 42 }}`, `{{ printf "%.*f" 2 3.14159 }}`, `{{ printf "%.*f" -2 3.14159 }}`,
	`{{ printf "%*d" "x" 3 }}`, `{{ printf "%.*d" "x" 3 }}`, `{{ printf "%5%|" }}`, `{{ printf "%-05d|" 3 }}`, `{{ printf "%+05d|" 3 }}`, `{{ printf "% 05d|" 3 }}`,
	`{{ printf "%.0d|" 0 }}`, `{{ printf "%5.0d|" 0 }}`, `{{ printf "%05s|" "ab" }}`, `{{ printf "%é" 1 }}`, `{{ printf "%[1]v %[1]T" .Map }}`, `{{ printf "%[2]v" 1 2 3 }}`,
	`{{ printf "%3c|%-3c|%03c" 'x' 'y' 'z' }}`, `{{ printf "%10q|%-10q|" "a" 'b' }}`, `{{ printf "%x" "hello" }}`, `{{ printf "% #x" "hello" }}`, `{{ printf "%.2x" "hello" }}`,
	`{{ printf "%v %v" .Nil .Nope }}`, `{{ printf "%t %t" true .Bool }}`, `{{ printf "%8t|%-8t|" true false }}`, `{{ printf "%+v" .Nested }}`, `{{ printf "%#v" .Nested }}`,
	`{{ printf "%6.2f%%" .Value }}`, `{{ printf "%s" .Nil }}`, `{{ printf "%d" .Nested }}`, `{{ printf "%s" .Nested }}`, `{{ printf "%q" .List }}`, `{{ printf "%x" .List }}`,
	`{{ printf "%5d|%5s" .Ints .List }}`, `{{ printf "%05.1f" .Floats }}`, `{{ printf "%U %#U" 0x1f525 0x7 }}`, `{{ printf "%.10U" 0x41 }}`, `{{ printf "%08b" 5 }}`, `{{ printf "%+.3e" .Big }}`,
	`{{ printf "%20.10v|" .Value }}`, `{{ printf "%v" (list 1 nil "a") }}`, `{{ printf "%#v" (list 1 nil "a") }}`,
}

func numbers() (all []string) {
	for _, n := range []string{"0", "1", "-1", "0.1", "100000.0", "1000000.0", "123456789.0", "1e20", "1e21", "1e-4", "1e-5", "3.0", "1.10", "5e-324", "1.7976931348623157e308",
		"0x1F", "0b101", "0o17", "017", "1_000", "0x1p-2", "1_0.5", "'a'", "'\\n'", "'\\x41'", "'\\u00e9'", "1e3", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
		"18446744073709551616", "1i", "1+2i", "-0.0", "0.30000000000000004", "2.5", "08", "1__0", "1_", "0x", "1e", "1.e5", ".5", "+5", "0x1.8p1", "1e400", "'ab'", "''"} {
		for _, form := range []string{"{{ %s }}", "{{ printf \"%%T\" %s }}", "{{ printf \"%%.3f|%%8.1e|%%g\" %[1]s %[1]s %[1]s }}", "{{ len %s }}", "{{ index .Ints %s }}"} {
			if form[3:] == "" {
				continue
			}
			all = append(all, fmt.Sprintf(form, n))
		}
	}
	return
}

func comparisons() (all []string) {
	args := []string{"1", "1.0", `"a"`, `"b"`, "true", ".Nil", ".Nope", ".List", ".Map", ".Nested.a", ".Int", ".Value", "(index .Str 0)", "(len .List)", "(safeHtml \"a\")", "(toDate \"2006\" \"2020\")", "1i"}
	for _, op := range []string{"eq", "ne", "lt", "le", "gt", "ge"} {
		for i, a := range args {
			for j, b := range args {
				if op != "eq" && op != "lt" && (i+j)%3 != 0 {
					continue
				}
				all = append(all, fmt.Sprintf("{{ %s %s %s }}", op, a, b))
			}
		}
	}
	return append(all, `{{ eq 1 }}`, `{{ eq }}`, `{{ eq 1 2 3 1 }}`, `{{ eq 1 "a" 1 }}`, `{{ ne 1 2 3 }}`, `{{ lt 1 }}`, `{{ 1 | eq 1 }}`, `{{ eq nil nil }}`, `{{ eq 1 nil }}`)
}

var actions = []string{
	``, `plain`, `{{/* a */}}`, `a{{- /* b */ -}}c`, `a {{- "b" -}} c`, "a \n\t{{- 1 }} b", "{{ 1 -}}\n\n x", `{{- 1 -}}`, `{{-1}}`, `{{ -1 }}`, "{{\n1\n}}", "{{ /* not */ }}", `{{"}}"}}`, "{{`}}`}}",
	`{{ if .Bool }}a{{ else if .Int }}b{{ else }}c{{ end }}`, `{{ if .Bool }}a{{ else if .Nil }}b{{ else if .Zero }}d{{ else }}c{{ end }}`, `{{ if and .Int .Str }}y{{ end }}`, `{{ if not .Bool }}n{{ end }}`,
	`{{ with .Int }}{{ . }}{{ end }}`, `{{ with .Nope }}{{ . }}{{ else }}none{{ end }}`, `{{ with $x := .Int }}{{ $x }}{{ . }}{{ end }}`, `{{ with .Nested }}{{ with .a }}{{ .b }}{{ end }}{{ end }}`,
	`{{ range .List }}[{{ . }}]{{ end }}`, `{{ range .Empty }}x{{ else }}empty{{ end }}`, `{{ range $i, $v := .List }}{{ $i }}{{ $v }}{{ end }}`, `{{ range $v := .Ints }}{{ $v }},{{ end }}`,
	`{{ range $k, $v := .Map }}{{ $k }}{{ $v }}{{ end }}`, `{{ range .Map }}{{ . }}{{ end }}`, `{{ range $k, $v := .Nested.a }}{{ $k }}={{ $v }}{{ end }}`, `{{ range .Nested.a.b }}<{{ . }}>{{ end }}`, `{{ range .Nil }}x{{ else }}nil{{ end }}`,
	`{{ range .List }}{{ if eq . "y z" }}{{ break }}{{ end }}{{ . }}{{ end }}`, `{{ range .List }}{{ if eq . "y z" }}{{ continue }}{{ end }}{{ . }}{{ end }}`, `{{ range .List }}{{ range $.Ints }}{{ if lt . 0 }}{{ break }}{{ end }}{{ . }}{{ end }};{{ end }}`,
	`{{ $x := 1 }}{{ range .List }}{{ $x = . }}{{ end }}{{ $x }}`, `{{ $x := 1 }}{{ with 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}`, `{{ $x := .Nested }}{{ $x.a.b }}`, `{{ $x := .Nope }}{{ $x.y }}`, `{{ $.Int }}`, `{{ $ | len }}`,
	`{{ define "a" }}A{{ . }}{{ end }}{{ template "a" 1 }}{{ template "a" . | len }}`, `{{ define "a" }}A{{ end }}{{ template "a" }}{{ template "a" nil }}`, `{{ define "a" }}{{ if . }}{{ template "b" (slice . 1) }}{{ end }}{{ end }}{{ define "b" }}b{{ template "a" . }}{{ end }}{{ template "a" .List }}`,
	`{{ block "x" .Int }}[{{ . }}]{{ end }}{{ template "x" 3 }}`, `{{ define "x" }} {{ end }}{{ define "x" }}X{{ end }}{{ template "x" }}`, `{{ define "x" }}1{{ end }}{{ define "x" }} {{ end }}{{ template "x" }}`, `{{ $x := 1 }}{{ define "t" }}{{ $ }}{{ end }}{{ template "t" 5 }}`,
	`{{ "a" | printf "%s-%s" "b" }}`, `{{ 3 | printf "%d" | printf "%s!" }}`, `{{ (index .List 0) | toUpper }}`, `{{ (.Nested.a).b }}`, `{{ (index .Nested "a").b }}`, `{{ print (print 1 2) 3 "x" 4 }}`, `{{ .Nested.a.b | len }}`,
	`{{ print 1 2 }}|{{ print "a" "b" 1 2 "c" }}|{{ println }}`, `{{ len "h\u00e9" }}`, `{{ true }}{{ false }}`, `{{ print nil }}`, `{{ print }}`, `{{ .Int | }}`, `{{ and 1 2 }}{{ or 0 1 }}{{ and 0 1 }}{{ or 0 "" }}`, `{{ 1 | and 0 }}{{ 0 | or 1 }}`,
	`{{ .Labels }}`, `{{ .Labels.alertname }}`, `{{ .Labels.nope }}x`, `{{ .Map.two }}{{ .Map.nope }}`, `{{ .Nested.on }}{{ .Nested.nope }}`, `{{ .Nested.a.nope }}`, `{{ .Empty }}`, `{{ .Floats }}`,
	`{{ range $i, $e := .List }}{{ if $i }}, {{ end }}{{ $e }}{{ end }}`, `{{ with index .Labels "job" }}{{ . }}{{ end }}`, `{{ if .Labels.nope }}a{{ else with .Int }}{{ . }}{{ end }}`, `{{if .Int}}{{.Int}}{{end}}`, `{{if(.Int)}}x{{end}}`, `{{ range(.List) }}x{{ end }}`,
	`{{ $a := 1 }}{{ $b := 2 }}{{ $a }}{{ $b }}{{ $a = $b }}{{ $a }}`, `{{ $a := 1 }}{{ if $b := 2 }}{{ $b }}{{ end }}`, `{{ range $i, $ := .List }}{{ $i }}{{ end }}`, `{{ not (eq .Int 7) }}`, "{{ `a\r\nb` }}", "{{ range .List }}\n{{- . }}\n{{- end }}",
}

var builtins = []string{
	`{{ html "<a href='x'>\"&\x00+" }}`, `{{ "<a>" | html }}`, `{{ html 1 "<" nil }}`, `{{ html .List }}`, `{{ js "it's \"q\" <b> & = \\ \n\u2028 \u00e9\x01" }}`, `{{ js 1 "<" }}`, `{{ urlquery "a b&c=d/\u00e9~-_.+" }}`, `{{ urlquery 1 "x y" }}`, `{{ .Url | urlquery }}`,
	`{{ len .List }}{{ len .Map }}{{ len .Str }}{{ len .Empty }}`, `{{ index .List 0 }}{{ index .Ints 1 }}{{ index .Map "one" }}{{ index .Map "none" }}`, `{{ index .Nested "a" "b" 1 }}`, `{{ index .Str 1 }}`, `{{ index .List }}`, `{{ index .Nested.a.b 3 }}`,
	`{{ slice .List 1 }}{{ slice .List 0 2 }}{{ slice .List }}{{ slice .Ints 1 2 3 }}`, `{{ slice .Labels.job 1 3 }}`, `{{ slice "abc" 3 }}|`, `{{ not 0 }}{{ not 1 }}{{ not "" }}{{ not .Nil }}{{ not .Empty }}`, `{{ print (safeHtml "<b>") }}`, `{{ safeHtml "<b>&</b>" }}`, `{{ safeUrl "a b" }}`,
	`{{ toJson .Nested }}`, `{{ toJson .Floats }}`, `{{ toJson .Str }}`, `{{ toJson .Nil }}`, `{{ toJson .Map }}{{ toJson .List }}{{ toJson 1.5 }}{{ toJson 1e21 }}{{ toJson 1e-7 }}{{ toJson true }}`, `{{ join "-" .List }}`, `{{ join "," (stringSlice "a" "b") }}`, `{{ stringSlice }}`, `{{ trimSpace "  a \n" }}`,
	`{{ toUpper "stra\u00dfe \u01c6" }}{{ toLower "\u00c4\u0130" }}`, `{{ urlUnescape "a%20b+c%3d" }}`, `{{ list }}{{ list 1 "a" nil }}`, `{{ printf "%T" (list 1) }}{{ printf "%T" (stringSlice "a") }}`, `{{ println "a" 1 }}`, `{{ js .Text }}`, `{{ html .Text }}`, `{{ urlquery .Text }}`,
}

var errors = []string{
	`{{`, `{{ `, `{{ if }}`, `{{ if .Int }}`, `{{ end }}`, `{{ else }}`, `{{ range }}{{ end }}`, `{{ with }}{{ end }}`, `{{ template }}`, `{{ template foo }}`, `{{ template "x" . . }}`, `{{ template "nope" }}`, `{{ define }}{{ end }}`, `{{ define "x" }}`, `{{ define x }}{{ end }}`, `{{ if .Int }}{{ define "x" }}{{ end }}{{ end }}`,
	`{{ block "x" }}{{ end }}`, `{{ .Int`, `{{ "abc }}`, "{{ `abc }}", `{{ 'a }}`, `{{ /* x }}`, `{{/* x */ }}`, `{{/* x`, `{{ (1 }}`, `{{ 1) }}`, `{{ () }}`, `{{ | }}`, `{{ .Int | | print }}`, `{{ 1 | 2 }}`, `{{ .Int | "x" }}`, `{{ .Int | . }}`, `{{ nosuch }}`, `{{ .x.y..z }}`, `{{ .Int. }}`, `{{ $ }}{{ $nope }}`, `{{ $x := }}`, `{{ $x = 1 }}`, `{{ $x, $y := 1 }}`, `{{ range $x, $y, $z := .List }}{{ end }}`, `{{ range $x, 1 := .List }}{{ end }}`,
	`{{ 1.2.3 }}`, `{{ 1a }}`, `{{ a-b }}`, `{{ @ }}`, `{{ .Int@ }}`, `{{ "a".b }}`, `{{ 1.x }}`, `{{ nil }}`, `{{ nil.x }}`, `{{ true.x }}`, `{{ break }}`, `{{ continue }}`, `{{ if .Int }}{{ break }}{{ end }}`, `{{ range .List }}{{ break 1 }}{{ end }}`, `{{ end 1 }}`, `{{ else 1 }}`, `{{ if 1 }}{{ else }}{{ else }}{{ end }}`, `{{ define "a" }}x{{ end }}{{ define "a" }}y{{ end }}`, `{{ "\q" }}`, `{{ '\q' }}`, `{{ = }}`, `{{ : }}`, `{{ , }}`, "{{ \x01 }}", `{{ é }}`, `{{ .é }}`,
	`{{ 1 2 }}`, `{{ .Int 2 }}`, `{{ "a" 1 }}`, `{{ true 1 }}`, `{{ . 1 }}`, `{{ $ 1 }}`, `{{ (1) 2 }}`, `{{ 1 | .Int }}`, `{{ .Labels.job 1 }}`, `{{ .Nested.a.b.c }}`, `{{ .Str.x }}`, `{{ .Int.x }}`, `{{ .List.x }}`, `{{ .Nested.nope.x }}`, `{{ .Nope.x.y }}`, `{{ .Labels.job.x }}`, `{{ (index .List 0).x }}`, `{{ $x := 1 }}{{ $x.y }}`, `{{ range .List }}{{ .x }}{{ end }}`, `{{ range list 1 }}{{ .x }}{{ end }}`,
	`{{ index .List 3 }}`, `{{ index .List 4 }}`, `{{ index .List -1 }}`, `{{ index .List "a" }}`, `{{ index .List 1.0 }}`, `{{ index .List nil }}`, `{{ index .Map 1 }}`, `{{ index .Map nil }}`, `{{ index .Int 1 }}`, `{{ index nil 1 }}`, `{{ index .Nil 1 }}`, `{{ index }}`, `{{ index .Nested "nope" "x" }}`, `{{ index .Str 99 }}`, `{{ index .List 0 0 0 }}`, `{{ slice .List 2 1 }}`, `{{ slice .List 4 }}`, `{{ slice .List 0 1 2 3 }}`, `{{ slice .Str 0 1 2 }}`, `{{ slice .Map 1 }}`, `{{ slice .Nil }}`, `{{ slice 1 2 }}`, `{{ slice .List "a" }}`,
	`{{ len }}`, `{{ len 1 2 }}`, `{{ len 1 }}`, `{{ len true }}`, `{{ len 1.5 }}`, `{{ len nil }}`, `{{ not }}`, `{{ not 1 2 }}`, `{{ printf }}`, `{{ printf 1 }}`, `{{ printf nil }}`, `{{ printf .Int }}`, `{{ printf .Nil }}`, `{{ and }}`, `{{ or }}`, `{{ call nil }}`, `{{ call }}`,
	`{{ toUpper }}`, `{{ toUpper 1 }}`, `{{ toUpper .Int }}`, `{{ toUpper .Nil }}`, `{{ toUpper .Nope }}`, `{{ toUpper nil }}`, `{{ toUpper true }}`, `{{ toUpper (list 1) }}`, `{{ toUpper "a" "b" }}`, `{{ 1 | toUpper }}`, `{{ .Nil | toUpper }}`, `{{ join }}`, `{{ join "," "a" }}`, `{{ join "," .Ints }}`, `{{ join "," .Nil }}`, `{{ join "," nil }}`, `{{ join 1 .List }}`, `{{ stringSlice 1 }}`, `{{ stringSlice .Int }}`, `{{ "a" | stringSlice 1 }}`, `{{ date "2006" "x" }}`, `{{ date "2006" 1 }}`, `{{ safeHtml 1 }}`, `{{ toDate "2006" }}`,
	`{{ urlUnescape "%zz" }}`, `{{ mustToDate "2006-01-02" "nope" }}`, `{{ tz "No/Where" (toDate "2006" "2020") }}`, `{{ (toDate "2006" "2020").Nope }}`, `{{ (toDate "2006" "2020").Format }}`, `{{ (toDate "2006" "2020").Format 1 }}`, `{{ (toDate "2006" "2020").Sub 1 }}`, `{{ (toDate "2006" "2020").Add 1 }}`, `{{ range 1.5 }}{{ end }}`, `{{ range true }}{{ end }}`, "a\nb {{ .Int }}\n  {{ .Str.x }}", "{{ define \"t\" }}\n{{ len 1 }}{{ end }}\n{{ template \"t\" }}", "{{ if 1 }}\n{{ (\n1 }}", "{{ print\n\"a", "{{\n\n.x.\n}}",
}

func contexts() (all []string) {
	values := []string{".Str", ".Url", ".Js", ".Text", ".Int", ".Value", ".Nil", ".List", ".Labels", ".Bool", `(safeHtml "<b>x</b>")`, `(safeUrl "javascript:x")`, `""`}
	for _, frame := range []string{
		"<p>%s</p>", "<title>%s</title>", "<textarea>%s</textarea>", `<a title="%s">`, `<a title='%s'>`, `<a title=%s>`, `<a href="%s">`, `<a href='%s'>`, `<a href=%s>`, `<a href="/p/%s?x=%[1]s#%[1]s">`, `<a href="?q=%s">`, `<img src="%s">`,
		`<img srcset="%s">`, `<img srcset="/a.png 1x, %s 2x">`, `<a style="color: %s">`, `<a style="background: url(%s)">`, `<a style="background: url('%s')">`, `<a style='background: url("%s?%[1]s")'>`, `<style>p { font-family: "%s"; width: %[1]s }</style>`,
		`<script>var x = %s;</script>`, `<script>var x = "%s", y = '%[1]s';</script>`, `<script>x = /%s/g;</script>`, `<script>x/%s/2</script>`, `<button onclick="f(%s)">`, `<button onclick='f("%s")'>`, `<button onclick=%s>`, `<div %s>`, `<div %s="1">`, `<div data-%s="x">`, `<input value=%s>`, `<input checked %s>`,
		`<div data-url="%s">`, `<div data-onclick="%s">`, `<svg xlink:href="%s">`, `<!-- %s -->`, `<script>/* %s */ // %[1]s` + "\n</script>", `<style>/* %s */</style>`, `<script type="text/template">%s</script>`, `<script type="application/json">{"a": %s}</script>`, `<iframe srcdoc="%s">`, `<p xmlns:x="%s">`, `<form action="%s" onsubmit="return %[1]s">`,
	} {
		for _, value := range values {
			all = append(all, fmt.Sprintf(frame, "{{ "+value+" }}"))
		}
	}
	return
}

var documents = []string{
	`<p>a < b && c > d</p>`, `<!DOCTYPE html><p>{{ .Int }}`, `a<{{ .Int }}>b`, `<b>{{ .Str | html }}</b>`, `<b>{{ html .Str .Int }}</b>`, `<a href="{{ .Url | urlquery }}">`, `<a href="/x?{{ .Str | urlquery }}">`, `<a title={{ html .Str }}>`, `<b>{{ .Str | html | print }}</b>`, `<a href="{{ .Str | html }}">`, `{{ .Str | urlquery | html }}`,
	`<a href="{{ if .Bool }}/a?{{ else }}/b{{ end }}{{ .Str }}">`, `<a href="{{ if .Int }}/a{{ else }}/b{{ end }}{{ .Str }}">`, `<a {{ if .Int }}title="x"{{ else }}href="y"{{ end }}>{{ .Str }}`, `{{ if .Int }}<a href="{{ end }}">`, `<a title={{ if .Int }}{{ .Int }}{{ end }}>`, `{{ range .List }}<li>{{ . }}</li>{{ end }}`, `<script>{{ range .List }}f({{ . }});{{ end }}</script>`,
	`{{ range .List }}<a href="{{ end }}`, `{{ define "t" }}{{ . }}{{ end }}<p>{{ template "t" .Str }}</p><a href="{{ template "t" .Url }}"></a><script>x = {{ template "t" .Str }}</script>`, `{{ define "t" }}<a href="{{ . }}">{{ end }}{{ template "t" .Js }}{{ template "t" .Url }}`, `{{ define "t" }}" title="{{ end }}<a href="{{ template "t" }}{{ .Str }}">`,
	`{{ define "r" }}{{ if . }}<i>{{ index . 0 }}</i>{{ template "r" (slice . 1) }}{{ end }}{{ end }}{{ template "r" .List }}`, `<script>var a = "</scr` + `ipt>{{ .Int }}`, `<a =x>`, `<a x'y>`, `<a title=a"b>`, `<script>x = '\`, `<script>x = /[`, `<style>p { content: "\`, `<a href=`, `<p`, `<p title="`, `<!-- x`, `<script>`, `<textarea>`, `<a b=c{{ .Int }}d>`,
	`<script>var x = {{ if .Bool }}1{{ else }}{{ .Str }}{{ end }}/2/1</script>`, `<script>{{ if .Bool }}x{{ else }}={{ end }}/{{ .Int }}/</script>`, `<script>// a {{ .Int }}` + "\nb</script>", `<script>a /* b */ c /* d` + "\n" + `e */ f</script>`, `<style>a /* b */ c // d` + "\n</style>", `x<!-- c -->y{{ .Int }}<!-- {{ .Str }} -->z`, `<div onclick="alert(&quot;{{ .Str }}&quot;)">`, `<div onclick="a = &#39;{{ .Str }}&#39;; b = {{ .Int }}">`,
	`<a href="&#106;avascript:{{ .Str }}">`, `<a href=" {{ .Js }}">`, `<a href="x{{ .Js }}">`, `<a href="mailto:{{ .Str }}">`, `<img src="{{ .Url }}?x={{ .Url }}&amp;y={{ .Int }}">`, `<TITLE>{{ .Str }}</TITLE><SCRIPT>{{ .Str }}</SCRIPT>`, `<a HREF="{{ .Js }}">`, `<x-y z="{{ .Str }}">`, `<p>{{ .Nil }}{{ .Nope }}|</p>`, `<p>{{ print .Nil }}</p>`, `{{ $x := .Str }}<b>{{ $x }}</b>`, `{{ with .Str }}<a title="{{ . }}">{{ end }}`,
	`{{ range .List }}{{ if eq . "x" }}{{ continue }}{{ end }}<b>{{ . }}</b>{{ if eq . "<i>" }}{{ break }}{{ end }}{{ end }}`, `{{ range .List }}<a title="{{ if eq . "x" }}{{ break }}{{ end }}">{{ end }}`, `<script type="module">{{ .Str }}</script>`, `<script type="text/javascript; x">{{ .Str }}</script>`, `<p>{{ template "nope" }}</p>`, `<meta charset="{{ .Str }}">`, `<link rel="{{ .Str }}">`, `<div style="{{ .Str }}">`, `<div style="{{ "color: red" }}">`, `<div style="x: {{ "10px" }} {{ "#fff" }} {{ "expression(x)" }} {{ "a--b" }}">`,
}

func times() (all []string) {
	all = []string{`{{ toDate "2006-01-02" "nope" }}`, `{{ (toDate "2006-01-02" "2024-02-29").Weekday }}`, `{{ mustToDate "2006-01-02T15:04:05Z07:00" "2024-02-29T10:11:12.345678+05:30" }}`, `{{ mustToDate "Jan _2 2006 3:04PM" "Feb  7 2024 9:05PM" }}`, `{{ mustToDate "02/01/06 15h04" "07/02/69 9h05" }}`, `{{ mustToDate "2006-002" "2024-060" }}`, `{{ mustToDate "2006-01-02 MST" "2024-01-02 CET" }}`, `{{ mustToDate "15:04:05.000" "10:11:12.5" }}`, `{{ mustToDate "15:04:05.000" "10:11:12.500" }}`, `{{ mustToDate "15:04:05" "10:11:12.123" }}`, `{{ mustToDate "2006-01-02" "2023-02-29" }}`, `{{ mustToDate "2006-01-02" "2023-13-01" }}`, `{{ mustToDate "2006" "20231" }}`, `{{ mustToDate "Monday Jan" "Friday Dec" }}`, `{{ mustToDate "2006-01-02 15:04:05 -0700" "2023-01-01 00:00:00 -0330" }}`}
	base := `(mustToDate "2006-01-02T15:04:05.999999999Z07:00" %q)`
	for _, at := range []string{"2024-02-29T23:59:59.123456789Z", "2024-03-31T00:30:00Z", "2024-10-27T00:30:00.5Z", "1999-12-31T12:00:00Z", "0001-01-01T00:00:00Z"} {
		t := fmt.Sprintf(base, at)
		for _, layout := range []string{"2006-01-02 15:04:05", "Mon, 02 Jan 2006 15:04:05 MST", "Monday, January _2 3:04:05PM 06", "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.999999999-07:00", "3:4:5 pm 1/2/6", "__2 002 Jan Janus Mon Monx _2006", "05.00 05,000 .999 15.9", "Z0700 Z07 -07 -0700 -07:00:00", "20060102150405", "02. 1. PM MST-0700"} {
			all = append(all, fmt.Sprintf("{{ %s.Format %q }}", t, layout), fmt.Sprintf("{{ date %q (tz \"Europe/Berlin\" %s) }}", layout, t), fmt.Sprintf("{{ date %q (tz \"America/New_York\" %s) }}", layout, t))
		}
		for _, method := range []string{"Unix", "UnixNano", "UnixMilli", "UnixMicro", "Year", "Month", "Day", "Hour", "Minute", "Second", "Nanosecond", "YearDay", "Weekday", "IsZero", "UTC", "String", "Month.String"} {
			all = append(all, fmt.Sprintf("{{ %s.%s }}", t, method), fmt.Sprintf("{{ (tz \"Asia/Kolkata\" %s).%s }}", t, method))
		}
		all = append(all, fmt.Sprintf("{{ %s }}", t), fmt.Sprintf("{{ tz \"Australia/Lord_Howe\" %s }}", t), fmt.Sprintf("{{ printf \"%%v %%s %%d\" %[1]s.Month %[1]s.Month %[1]s.Month }}", t), fmt.Sprintf("{{ toJson %s }}", t), fmt.Sprintf("{{ %s.AddDate 0 1 1 }}", t), fmt.Sprintf("{{ %s.AddDate -1 0 -60 }}", t), fmt.Sprintf("{{ printf \"%%T %%#v\" %[1]s %[1]s }}", t))
		other := fmt.Sprintf(base, "2024-03-01T00:00:00Z")
		d := fmt.Sprintf("(%s.Sub %s)", other, t)
		for _, method := range []string{"", ".Seconds", ".Minutes", ".Hours", ".Milliseconds", ".Microseconds", ".Nanoseconds", ".String", ".Abs"} {
			all = append(all, fmt.Sprintf("{{ %s%s }}", d, method))
		}
		all = append(all, fmt.Sprintf("{{ printf \"%%d %%s %%v %%T %%x\" %[1]s %[1]s %[1]s %[1]s %[1]s }}", d), fmt.Sprintf("{{ %s.Before %s }}{{ %[1]s.After %[2]s }}{{ %[1]s.Equal %[1]s }}", t, other), fmt.Sprintf("{{ %s.Add %s }}", t, d), fmt.Sprintf("{{ gt %s.Seconds 0.0 }}", d), fmt.Sprintf("{{ lt %s 5 }}", d), fmt.Sprintf("{{ eq %s %s }}", t, other), fmt.Sprintf("{{ if %s }}t{{ end }}", d), fmt.Sprintf("{{ %s.Round 1000000000 }}{{ %[1]s.Truncate 3600000000000 }}", t), fmt.Sprintf("{{ %s.Round 60000000000 }} {{ %[1]s.Truncate 1000000000 }}", d))
	}
	return
}

var regexps = []string{
	`{{ reReplaceAll "(a)(b)?" "[$1$2]" "ab a b" }}`, `{{ reReplaceAll "(?P<x>\\d+)" "<${x}>" "a12b3" }}`, `{{ reReplaceAll "b" "$0$$1" "abc" }}`, `{{ reReplaceAll "(b)" "$1x" "abc" }}`, `{{ reReplaceAll "(b)" "${1}x" "abc" }}`, `{{ reReplaceAll "" "-" "abc" }}`, `{{ reReplaceAll "^" "x" "" }}`, `{{ reReplaceAll "\\bfoo\\b" "bar" "foo food afoo foo" }}`, `{{ reReplaceAll "(?i)É" "e" "éÉ" }}`,
	`{{ match "^\\w+$" "abc_1" }}`, `{{ match "^\\w+$" "é" }}`, `{{ match "^\\d$" "٣" }}`, `{{ match "^\\s$" "\u00a0" }}`, `{{ match "[[]" "[" }}`, `{{ match "[]a]" "]" }}`, `{{ match "[^]a]" "b" }}`, `{{ match "^[[:alpha:]_]+$" "ab_" }}`, `{{ match "^[a&&b]+$" "a&b" }}`, `{{ match "\\Qa.b\\E" "axb" }}`, `{{ match "a.b" "a\nb" }}`, `{{ match "(?s)a.b" "a\nb" }}`, `{{ match "(?m)^b$" "a\nb" }}`, `{{ match "\\pL" "é" }}`, `{{ match "\\p{Greek}" "α" }}`, `{{ match "a{2,3}" "aa" }}`, `{{ match "x*" "" }}`, `{{ match "\\x41" "A" }}`, `{{ match "a|b|" "c" }}`, `{{ match "\\." "." }}`, `{{ match "^[\\w.-]+$" "a.b-c" }}`, `{{ match "[\\d\\-x]" "-" }}`, `{{ match "\\S+\\s\\S+" "a b" }}`, `{{ match "[\\D]" "1" }}`, `{{ match "[^\\s]" " " }}`,
}

var stringLiterals = []string{
	`{{ "a\tb\nc\rd\\e\"f" }}`, `{{ "\a\b\f\v" | printf "%q" }}`, `{{ "\x41\102\u0043\U00000044" }}`, `{{ "\xff" | printf "%q %x" "a" }}`, `{{ printf "%q" "\xff\xc3(" }}`, `{{ len "\xff" }}`, "{{ `a\\n\"b\"` }}", `{{ printf "%c" 0x1F525 }}`, `{{ printf "%q" .Str }}`, `{{ printf "%+q" .Str }}`, `{{ printf "%#q" .Str }}`, `{{ printf "%#q" "a` + "`" + `b" }}`, `{{ printf "%x" .Str }}`, `{{ printf "%.3s|%.5q" .Str .Str }}`, `{{ printf "%s" "a%b" }}`, `{{ printf "%q" "\u00a0\u2028\ufeff\u0301\ue000\U000e0001" }}`, `{{ printf "%q %q" 'x' '\'' }}`, `{{ printf "%U" 'é' }}`, `{{ slice "héllo" 0 2 | printf "%q" }}`,
}
