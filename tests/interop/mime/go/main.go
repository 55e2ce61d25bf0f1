// Prints, for each mail in a folder, what Go's standard library reads in it, as a
// line of JSON.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
)

type read struct {
	Subject string      `json:"subject"`
	From    [][2]string `json:"from"`
	To      [][2]string `json:"to"`
	Cc      [][2]string `json:"cc"`
	ReplyTo [][2]string `json:"reply_to"`
	Own     []string    `json:"own"`
	Text    *string     `json:"text"`
	HTML    *string     `json:"html"`
	Files   [][5]string `json:"files"`
}

func main() {
	names, err := filepath.Glob(filepath.Join(os.Args[1], "*.eml"))
	check(err)
	out := json.NewEncoder(os.Stdout)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		check(err)
		check(out.Encode(readMail(raw)))
	}
}

func readMail(raw []byte) *read {
	m, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(raw)))
	check(err)
	r := &read{
		Subject: decoded(m.Header.Get("Subject")),
		From:    mailboxes(m.Header, "From"),
		To:      mailboxes(m.Header, "To"),
		Cc:      mailboxes(m.Header, "Cc"),
		ReplyTo: mailboxes(m.Header, "Reply-To"),
		Own:     []string{},
		Files:   [][5]string{},
	}
	for _, value := range m.Header["X-One"] {
		r.Own = append(r.Own, decoded(value))
	}
	r.walk(textproto.MIMEHeader(m.Header), m.Body)
	return r
}

func (r *read) walk(header textproto.MIMEHeader, body io.Reader) {
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	check(err)
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, parameters["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return
			}
			check(err)
			r.walk(part.Header, part)
		}
	}
	content := decodedBody(header.Get("Content-Transfer-Encoding"), body)
	if header.Get("Content-Disposition") == "" {
		text := string(content)
		if kind == "text/html" {
			r.HTML = &text
		} else {
			r.Text = &text
		}
		return
	}
	placing, names, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	check(err)
	sum := sha256.Sum256(content)
	r.Files = append(r.Files, [5]string{
		names["filename"], kind, header.Get("Content-ID"), placing,
		hex.EncodeToString(sum[:]),
	})
}

func decodedBody(encoding string, body io.Reader) []byte {
	switch encoding {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(body)
	check(err)
	return content
}

func mailboxes(header mail.Header, name string) [][2]string {
	found := [][2]string{}
	if header.Get(name) == "" {
		return found
	}
	list, err := header.AddressList(name)
	check(err)
	for _, a := range list {
		found = append(found, [2]string{a.Name, a.Address})
	}
	return found
}

func decoded(text string) string {
	plain, err := new(mime.WordDecoder).DecodeHeader(text)
	check(err)
	return plain
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
