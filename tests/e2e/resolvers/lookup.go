// SPDX-License-Identifier: Apache-2.0

// The resolver that Go programs bring along when they are built without cgo.
// Questions and answers: lines.h.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

var resolver = &net.Resolver{PreferGo: true}

type operation func(ctx context.Context, name string) ([]string, error)

func host(network string) operation {
	return func(ctx context.Context, name string) ([]string, error) {
		addresses, err := resolver.LookupNetIP(ctx, network, name)
		var items []string
		for _, address := range addresses {
			items = append(items, address.Unmap().String())
		}
		return items, err
	}
}

func canon(ctx context.Context, name string) ([]string, error) {
	target, err := resolver.LookupCNAME(ctx, name)
	return []string{target}, err
}

// srv asks as programs do: service and protocol apart if the name has them.
func srv(ctx context.Context, name string) ([]string, error) {
	service, protocol := "", ""
	if part := strings.SplitN(name, ".", 3); len(part) == 3 && part[0][0] == '_' && part[1][0] == '_' {
		service, protocol, name = part[0][1:], part[1][1:], part[2]
	}
	_, records, err := resolver.LookupSRV(ctx, service, protocol, name)
	var items []string
	for _, r := range records {
		items = append(items, fmt.Sprintf("%d,%d,%d,%s", r.Priority, r.Weight, r.Port, r.Target))
	}
	return items, err
}

var operations = map[string]operation{
	"host4": host("ip4"),
	"host6": host("ip6"),
	"host":  resolver.LookupHost,
	"canon": canon,
	"addr":  resolver.LookupAddr,
	"srv":   srv,
	"txt":   resolver.LookupTXT,
}

func status(err error) string {
	var failure *net.DNSError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &failure) && failure.IsNotFound:
		return "none"
	case errors.As(err, &failure) && (failure.IsTimeout || failure.IsTemporary):
		return "fail"
	}
	return strings.ReplaceAll(err.Error(), " ", "_")
}

func answer(line string) string {
	word, name, _ := strings.Cut(line, " ")
	run := operations[word]
	if run == nil {
		return "0 unknown"
	}
	start := time.Now()
	items, err := run(context.Background(), name)
	took := time.Since(start).Milliseconds()
	if err != nil {
		items = nil
	}
	text := fmt.Sprint(took, " ", status(err))
	for _, item := range items {
		text += " " + strings.TrimSuffix(item, ".")
	}
	return text
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		fmt.Println(answer(input.Text()))
	}
}
