// Render a chart with the parts that Helm is made of: Go's templates, and sprig. The
// values are those that Helm has merged: `render RELEASE CHART < values.yaml`.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func parse(text []byte) map[string]any {
	parsed := map[string]any{}
	check(yaml.Unmarshal(text, &parsed))
	return parsed
}

func main() {
	release, chart := os.Args[1], os.Args[2]
	description, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	check(err)
	values, err := io.ReadAll(os.Stdin)
	check(err)
	// `.Chart` is a struct of Go, so its fields begin with a capital.
	fields := map[string]any{}
	for key, value := range parse(description) {
		fields[strings.ToUpper(key[:1])+key[1:]] = value
	}
	data := map[string]any{
		"Chart":   fields,
		"Release": map[string]any{"Name": release, "Namespace": "default", "Service": "Helm"},
		"Values":  parse(values),
	}

	templates := template.New("").Option("missingkey=zero")
	execute := func(name string, data any) (string, error) {
		var text strings.Builder
		err := templates.ExecuteTemplate(&text, name, data)
		return strings.ReplaceAll(text.String(), "<no value>", ""), err
	}
	// The functions of Helm that the chart uses. A template with another one fails.
	templates.Funcs(sprig.TxtFuncMap()).Funcs(template.FuncMap{
		"include": execute,
		"toYaml": func(value any) (string, error) {
			text, err := yaml.Marshal(value)
			return strings.TrimSuffix(string(text), "\n"), err
		},
	})

	files, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	check(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		_, err = templates.New(file).Parse(string(text))
		check(err)
	}
	for _, file := range files {
		if filepath.Ext(file) == ".yaml" {
			text, err := execute(file, data)
			check(err)
			fmt.Println("---\n" + text)
		}
	}
}
