// Tells, for each mail on standard input, what Go's standard library reads in it, as a
// line of JSON.  A mail comes behind a line with the number of its octets.
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
	"strconv"
	"strings"
)

type read struct {
	Subject   string              `json:"subject"`
	Date      int64               `json:"date"`
	MessageID string              `json:"message_id"`
	From      [][2]string         `json:"from"`
	Sender    [][2]string         `json:"sender"`
	To        [][2]string         `json:"to"`
	Cc        [][2]string         `json:"cc"`
	ReplyTo   [][2]string         `json:"reply_to"`
	Headers   map[string][]string `json:"headers"`
	Text      *string             `json:"text"`
	HTML      *string             `json:"html"`
	Files     [][5]string         `json:"files"`
	Shape     string              `json:"shape"`
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return
		}
		check(err)
		size, err := strconv.Atoi(strings.TrimSpace(line))
		check(err)
		raw := make([]byte, size)
		_, err = io.ReadFull(in, raw)
		check(err)
		check(out.Encode(readMail(raw)))
	}
}

func readMail(raw []byte) *read {
	m, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(raw)))
	check(err)
	date, err := m.Header.Date()
	check(err)
	r := &read{
		Subject:   decoded(m.Header.Get("Subject")),
		Date:      date.Unix(),
		MessageID: m.Header.Get("Message-ID"),
		From:      mailboxes(m.Header, "From"),
		Sender:    mailboxes(m.Header, "Sender"),
		To:        mailboxes(m.Header, "To"),
		Cc:        mailboxes(m.Header, "Cc"),
		ReplyTo:   mailboxes(m.Header, "Reply-To"),
		Headers:   map[string][]string{},
		Files:     [][5]string{},
	}
	for name, values := range m.Header {
		for _, value := range values {
			name := strings.ToLower(name)
			r.Headers[name] = append(r.Headers[name], decoded(value))
		}
	}
	r.Shape = r.walk(textproto.MIMEHeader(m.Header), m.Body)
	return r
}

// walk notes what stands in a part, and returns how it is built.
func (r *read) walk(header textproto.MIMEHeader, body io.Reader) string {
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	check(err)
	if strings.HasPrefix(kind, "multipart/") {
		shapes := []string{}
		parts := multipart.NewReader(body, parameters["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return kind + "(" + strings.Join(shapes, ",") + ")"
			}
			check(err)
			shapes = append(shapes, r.walk(part.Header, part))
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
		return kind
	}
	placing, names, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	check(err)
	sum := sha256.Sum256(content)
	r.Files = append(r.Files, [5]string{
		names["filename"], kind, header.Get("Content-ID"), placing,
		hex.EncodeToString(sum[:]),
	})
	return kind
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
