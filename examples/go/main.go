// Sends a mail through Postroom, and tells what became of it for each recipient.
//
//	go generate
//	go run . [-request-id ID] [-attach FILE] RECIPIENT...
//
// Exit status: 0 all have it, 1 not all have it, 2 the call failed.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	postroom "example.com/mail/gen/postroom/v1"
)

// The deadline of the whole call. It reaches the service, which answers in time.
const deadline = 30 * time.Second

func main() {
	requestID := flag.String("request-id", rand.Text(), "sending again with the same id makes no second mail")
	attachment := flag.String("attach", "", "a file to attach, of any size that the service allows")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "name at least one recipient")
		os.Exit(2)
	}
	result, err := send(*requestID, *attachment, flag.Args())
	if err != nil {
		explain(err, *requestID)
		os.Exit(2)
	}
	show(result)
	if result.Status != postroom.DeliveryStatus_DELIVERY_STATUS_SUCCESS {
		os.Exit(1)
	}
}

func send(requestID, attachment string, recipients []string) (*postroom.DeliveryResult, error) {
	connection, err := connect()
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()

	service := postroom.NewDeliveryServiceClient(connection)
	message := &postroom.Message{
		Subject: "Hello from Go",
		Text:    &postroom.Message_TextBody{TextBody: "It works.\n"},
	}
	for _, address := range recipients {
		message.To = append(message.To, &postroom.Mailbox{Address: address})
	}
	request := &postroom.SendMessageRequest{
		Content:   &postroom.SendMessageRequest_Message{Message: message},
		RequestId: requestID,
	}
	if attachment != "" {
		return sendLarge(ctx, service, request, attachment)
	}
	answer, err := service.SendMessage(ctx, request)
	return answer.GetResult(), err
}

// show prints the status, and each recipient with the relay's own words.
func show(result *postroom.DeliveryResult) {
	fmt.Println(strings.TrimPrefix(result.Status.String(), "DELIVERY_STATUS_"), result.Delivery)
	for _, recipient := range result.Recipients {
		fate := strings.TrimPrefix(recipient.Status.String(), "RECIPIENT_STATUS_")
		why := recipient.Detail
		if reply := recipient.Reply; reply != nil {
			why = fmt.Sprint(reply.Code, " ", reply.EnhancedCode, " ", reply.Text)
		}
		fmt.Printf("  %s %s %s\n", recipient.Address, fate, why)
	}
}
