package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/diag"
	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/printer"
	"github.com/grafana/alloy/syntax/token"
	"github.com/grafana/alloy/syntax/vm"
)

const (
	severityError   = "error"
	severityWarning = "warning"
)

type diagnostic struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"`
	Rule     string `json:"rule"`
	Message  string `json:"message"`
}

//go:embed components.txt
var componentList string

// component is a labelled block that Alloy runs, e.g. prometheus.scrape "host".
type component struct {
	id    string // name.label
	name  string
	block *ast.BlockStmt
	uses  []string
}

// scope is one level of names: the whole directory, or the body of one declare block.
type scope struct {
	components map[string]*component
	order      []string
	known      map[string]bool // component names that exist in Alloy or are declared here
	imported   map[string]bool // import labels: their component names cannot be known here
	variables  map[string]bool // extra root identifiers: argument, foreach's var
}

type checker struct {
	found []diagnostic
}

func (c *checker) add(pos token.Position, severity, rule, format string, args ...any) {
	c.found = append(c.found, diagnostic{
		File: pos.Filename, Line: pos.Line, Column: pos.Column, Severity: severity, Rule: rule,
		Message: fmt.Sprintf(format, args...),
	})
}

// check runs every rule over the files of one configuration directory, which Alloy loads as one namespace.
func check(files map[string]string) []diagnostic {
	c := &checker{found: []diagnostic{}}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)

	var body ast.Body
	parsed := true
	for _, name := range names {
		text := files[name]
		if !strings.HasSuffix(name, ".alloy") {
			c.add(token.Position{Filename: name}, severityError, "name", "Alloy loads only files that end in .alloy from a directory; this one would be ignored")
			continue
		}
		file, err := parser.ParseFile(name, []byte(text))
		if err != nil {
			parsed = false
			c.addError(name, "syntax", err)
			continue
		}
		c.checkFormat(name, text, file)
		body = append(body, file.Body...)
	}
	// References cannot be judged while a file that may hold their targets does not parse.
	if parsed {
		c.checkScope(body, nil)
	}
	return c.found
}

func (c *checker) addError(name, rule string, err error) {
	var many diag.Diagnostics
	if errors.As(err, &many) {
		for _, one := range many {
			c.add(one.StartPos, severityError, rule, "%s", one.Message)
		}
		return
	}
	c.add(token.Position{Filename: name}, severityError, rule, "%s", err)
}

func (c *checker) checkFormat(name, text string, file *ast.File) {
	var formatted bytes.Buffer
	if err := printer.Fprint(&formatted, file); err != nil {
		c.add(token.Position{Filename: name}, severityError, "format", "cannot be formatted: %s", err)
		return
	}
	formatted.WriteByte('\n')
	if formatted.String() == text {
		return
	}
	want, have := strings.Split(formatted.String(), "\n"), strings.Split(text, "\n")
	for i := 0; i < len(want) || i < len(have); i++ {
		w, h := line(want, i), line(have, i)
		if w != h {
			c.add(token.Position{Filename: name, Line: i + 1, Column: 1}, severityError, "format",
				"not formatted as `alloy fmt` does: line is %q, formatted %q", h, w)
			return
		}
	}
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no line)"
}

func (c *checker) checkScope(body ast.Body, variables map[string]bool) {
	s := &scope{
		components: map[string]*component{}, known: map[string]bool{}, imported: map[string]bool{},
		variables: variables,
	}
	if s.variables == nil {
		s.variables = map[string]bool{}
	}
	for _, name := range strings.Fields(componentList) {
		s.known[name] = true
	}
	// Declared and imported names may be used before their block, so they come first.
	for _, statement := range body {
		block, ok := statement.(*ast.BlockStmt)
		if !ok {
			continue
		}
		switch {
		case block.GetBlockName() == "declare":
			s.known[block.Label] = true
		case strings.HasPrefix(block.GetBlockName(), "import."):
			s.imported[block.Label] = true
		case block.GetBlockName() == "argument":
			s.variables["argument"] = true
		}
	}
	single := map[string]token.Position{}
	for _, statement := range body {
		switch node := statement.(type) {
		case *ast.AttributeStmt:
			c.add(ast.StartPos(node).Position(), severityError, "block", "attribute %q stands outside of any block", node.Name.Name)
		case *ast.BlockStmt:
			c.addBlock(s, node, single)
		}
	}
	for _, id := range s.order {
		c.checkReferences(s, s.components[id])
	}
	for _, statement := range body {
		if block, ok := statement.(*ast.BlockStmt); ok && isConfigBlock(block) && block.GetBlockName() != "declare" {
			c.checkReferences(s, &component{id: block.GetBlockName(), name: block.GetBlockName(), block: block})
		}
	}
	c.checkCycles(s)
	if !c.hasErrors() {
		c.checkArguments(s, body)
	}
}

func (c *checker) hasErrors() bool {
	for _, d := range c.found {
		if d.Severity == severityError && d.Rule != "format" {
			return true
		}
	}
	return false
}

// Blocks of the configuration itself rather than components: once per directory, or once per label.
var configBlocks = map[string]bool{
	"logging": true, "tracing": true, "livedebugging": true, "http": true, "remotecfg": true,
	"argument": false, "export": false, "declare": false, "foreach": false,
	"import.file": false, "import.git": false, "import.http": false, "import.string": false,
}

func isConfigBlock(block *ast.BlockStmt) bool {
	_, ok := configBlocks[block.GetBlockName()]
	return ok
}

func (c *checker) addBlock(s *scope, block *ast.BlockStmt, single map[string]token.Position) {
	name, at := block.GetBlockName(), ast.StartPos(block).Position()
	key := name
	if block.Label != "" {
		key = name + "." + block.Label
	}
	if first, twice := single[key]; twice {
		c.add(at, severityError, "unique", "%s is already declared at %s; names are unique over all files of the directory", describe(block), first)
		return
	}
	single[key] = at
	if once, ok := configBlocks[name]; ok {
		if once && block.Label != "" {
			c.add(at, severityError, "block", "block %s takes no label", name)
		}
		switch name {
		case "declare":
			c.checkScope(block.Body, nil)
		case "foreach":
			c.add(at, severityWarning, "unchecked", "the inside of %s is not checked; use the alloy binary for it", describe(block))
		}
		return
	}
	namespace, _, _ := strings.Cut(name, ".")
	if !s.known[name] && !s.imported[namespace] {
		c.add(at, severityError, "component", "Alloy has no component %q", name)
		return
	}
	if block.Label == "" {
		c.add(at, severityError, "component", "component %s needs a label", name)
		return
	}
	s.components[key] = &component{id: key, name: name, block: block}
	s.order = append(s.order, key)
}

func describe(block *ast.BlockStmt) string {
	if block.Label == "" {
		return block.GetBlockName()
	}
	return fmt.Sprintf("%s %q", block.GetBlockName(), block.Label)
}

// reference is one dotted name in an expression, e.g. loki.write.lgtm.receiver.
type reference struct {
	path []string
	at   token.Position
}

type collector struct {
	references []reference
}

func (v *collector) Visit(node ast.Node) ast.Visitor {
	switch n := node.(type) {
	case *ast.AccessExpr:
		if path, at, ok := dotted(n); ok {
			v.references = append(v.references, reference{path: path, at: at})
			return nil
		}
	case *ast.IdentifierExpr:
		v.references = append(v.references, reference{path: []string{n.Ident.Name}, at: n.Ident.NamePos.Position()})
		return nil
	}
	return v
}

func dotted(expr ast.Expr) ([]string, token.Position, bool) {
	switch n := expr.(type) {
	case *ast.IdentifierExpr:
		return []string{n.Ident.Name}, n.Ident.NamePos.Position(), true
	case *ast.AccessExpr:
		path, at, ok := dotted(n.Value)
		if !ok {
			return nil, at, false
		}
		return append(path, n.Name.Name), at, true
	}
	return nil, token.Position{}, false
}

func (c *checker) checkReferences(s *scope, owner *component) {
	if owner.name == "foreach" {
		return
	}
	visitor := &collector{}
	ast.Walk(visitor, owner.block.Body)
	library := vm.NewScope(nil)
	for _, ref := range visitor.references {
		root := ref.path[0]
		if s.variables[root] || s.imported[root] {
			continue
		}
		target := s.find(ref.path)
		if target == nil {
			if library.IsStdlibIdentifiers(root) && (len(ref.path) == 1 || !s.hasNamespace(root)) {
				if library.IsStdlibDeprecated(root) {
					c.add(ref.at, severityWarning, "deprecated", "function %s is deprecated; use the one in a namespace (sys.env, encoding.from_json, string.format, …)", root)
				}
				continue
			}
			c.add(ref.at, severityError, "reference", "%s refers to %s, and no file of the directory declares it", describe(owner.block), strings.Join(ref.path, "."))
			continue
		}
		owner.uses = append(owner.uses, target.id)
		rest := ref.path[len(strings.Split(target.id, ".")):]
		if known, ok := schema[target.name]; ok && len(rest) > 0 {
			if _, exported := known.exports[rest[0]]; !exported {
				c.add(ref.at, severityError, "reference", "%s refers to %s, but %s exports only: %s", describe(owner.block),
					strings.Join(ref.path, "."), target.name, strings.Join(known.exportNames(), ", "))
			}
		}
	}
}

func (s *scope) find(path []string) *component {
	for length := len(path); length > 0; length-- {
		if found, ok := s.components[strings.Join(path[:length], ".")]; ok {
			return found
		}
	}
	return nil
}

func (s *scope) hasNamespace(root string) bool {
	for name := range s.known {
		if strings.HasPrefix(name, root+".") {
			return true
		}
	}
	return false
}

// checkCycles refuses what Alloy refuses when it builds its graph.
func (c *checker) checkCycles(s *scope) {
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	var visit func(id string, trail []string)
	visit = func(id string, trail []string) {
		switch state[id] {
		case done:
			return
		case open:
			c.add(ast.StartPos(s.components[id].block).Position(), severityError, "cycle", "components refer to each other in a circle: %s", strings.Join(append(trail, id), " → "))
			return
		}
		state[id] = open
		for _, next := range s.components[id].uses {
			visit(next, append(trail, id))
		}
		state[id] = done
	}
	for _, id := range s.order {
		visit(id, nil)
	}
}

// checkArguments decodes the body of each component into its arguments with Alloy's own evaluator.
func (c *checker) checkArguments(s *scope, body ast.Body) {
	exports := map[string]any{}
	for _, id := range s.order {
		if known, ok := schema[s.components[id].name]; ok {
			place(exports, strings.Split(id, "."), known.exports)
		}
	}
	for _, id := range s.order {
		one := s.components[id]
		known, ok := schema[one.name]
		if !ok {
			c.add(ast.StartPos(one.block).Position(), severityWarning, "unchecked", "the arguments of %s are not checked; use the alloy binary for them", describe(one.block))
			continue
		}
		if s.needsUnknown(one) {
			continue
		}
		c.decode(one.block, known, exports)
	}
	for _, statement := range body {
		if block, ok := statement.(*ast.BlockStmt); ok {
			if known, ok := schema[block.GetBlockName()]; ok && isConfigBlock(block) {
				c.decode(block, known, exports)
			}
		}
	}
}

func (c *checker) decode(block *ast.BlockStmt, known definition, exports map[string]any) {
	if err := vm.New(block.Body).Evaluate(vm.NewScope(exports), known.arguments()); err != nil {
		at := ast.StartPos(block).Position()
		var many diag.Diagnostics
		if errors.As(err, &many) && len(many) > 0 && many[0].StartPos.Valid() {
			for _, one := range many {
				c.add(one.StartPos, severityError, "argument", "%s: %s", describe(block), one.Message)
			}
			return
		}
		c.add(at, severityError, "argument", "%s: %s", describe(block), err)
	}
}

// needsUnknown tells whether a component uses exports that are not known here, so that it cannot be evaluated.
func (s *scope) needsUnknown(one *component) bool {
	for _, id := range one.uses {
		if _, ok := schema[s.components[id].name]; !ok {
			return true
		}
	}
	visitor := &collector{}
	ast.Walk(visitor, one.block.Body)
	for _, ref := range visitor.references {
		if s.variables[ref.path[0]] || s.imported[ref.path[0]] {
			return true
		}
	}
	return false
}

func place(tree map[string]any, path []string, value map[string]any) {
	for _, name := range path[:len(path)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	tree[path[len(path)-1]] = value
}
