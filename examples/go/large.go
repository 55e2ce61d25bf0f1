package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"

	postroom "example.com/mail/gen/postroom/v1"
)

const chunkSize = 64 * 1024

// sendLarge streams a file as an attachment: a header, chunks, an end.
func sendLarge(
	ctx context.Context, service postroom.DeliveryServiceClient, request *postroom.SendMessageRequest, path string,
) (*postroom.DeliveryResult, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	message := request.GetMessage()
	message.Attachments = append(message.Attachments, &postroom.Attachment{
		Filename:    filepath.Base(path),
		ContentType: "application/octet-stream",
		Content:     &postroom.Attachment_Blob{Blob: "parts/file"},
	})
	stream, err := service.SendMessageStream(ctx)
	if err != nil {
		return nil, err
	}
	// io.EOF: the service has answered before the end, and says why.
	if err := upload(stream, request, file); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	answer, err := stream.CloseAndRecv()
	return answer.GetResult(), err
}

func upload(
	stream postroom.DeliveryService_SendMessageStreamClient, request *postroom.SendMessageRequest, file io.Reader,
) error {
	header := &postroom.SendMessageStreamRequest_Header{Header: request}
	if err := stream.Send(&postroom.SendMessageStreamRequest{Frame: header}); err != nil {
		return err
	}
	hash, size, part := sha256.New(), 0, "parts/file"
	buffer := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(file, buffer)
		if n > 0 {
			chunk := &postroom.PartChunk{Part: part, Data: buffer[:n]}
			frame := &postroom.SendMessageStreamRequest_Chunk{Chunk: chunk}
			if err := stream.Send(&postroom.SendMessageStreamRequest{Frame: frame}); err != nil {
				return err
			}
			// Only the first chunk of a part names it.
			part = ""
			hash.Write(buffer[:n])
			size += n
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		} else if err != nil {
			return err
		}
	}
	end := &postroom.ContentEnd{SizeBytes: int64(size), Sha256: hash.Sum(nil)}
	return stream.Send(&postroom.SendMessageStreamRequest{Frame: &postroom.SendMessageStreamRequest_End{End: end}})
}
