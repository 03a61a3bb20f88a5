package main

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cureListen says which port could not be had, and what to do.
func cureListen(address string, err error) error {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		other := net.JoinHostPort(host, strconv.Itoa(number%65535+1))
		return fmt.Errorf("--listen %s: port %s is in use, by another facodec serve perhaps; end that, or give another port: --listen %s, or --listen %s for any that is free",
			address, port, other, net.JoinHostPort(host, "0"))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("--listen %s: port %s may not be used by this user; give one from 1024 on", address, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("--listen %s: this machine has no such address; %s listens on all that it has", address, net.JoinHostPort("", port))
	}
	var lookup *net.DNSError
	var bad *net.AddrError
	switch {
	case errors.As(err, &lookup):
		return fmt.Errorf("--listen %s: there is no host %q; give an address of this machine", address, host)
	case errors.As(err, &bad):
		return fmt.Errorf("--listen %s: %s; want HOST:PORT, such as 127.0.0.1:8765", address, bad.Err)
	}
	return fmt.Errorf("--listen %s: %w", address, err)
}

// readCertificate reads --tls-cert and --tls-key; without them secure is nil. warnings are of
// a certificate that browsers will refuse.
func (f *serveFlags) readCertificate() (secure *tls.Config, warnings []string, err error) {
	if f.cert == "" {
		return nil, nil, nil
	}
	cert, err := os.ReadFile(f.cert)
	if err != nil {
		return nil, nil, fmt.Errorf("--tls-cert: %w", err)
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return nil, nil, fmt.Errorf("--tls-key: %w", err)
	}
	if err := f.checkPEM(cert, key); err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil && strings.Contains(err.Error(), "does not match") { // there is no error value for it
		return nil, nil, fmt.Errorf("--tls-key %s: is not the key of the certificate %s; give the two that were made together", f.key, f.cert)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", f.cert, f.key, err)
	}
	switch leaf, now := pair.Leaf, time.Now(); {
	case leaf == nil:
	case now.After(leaf.NotAfter):
		warnings = append(warnings, fmt.Sprintf("--tls-cert %s: expired at %s; browsers will refuse it: renew it", f.cert, leaf.NotAfter.Format(time.DateTime)))
	case now.Before(leaf.NotBefore):
		warnings = append(warnings, fmt.Sprintf("--tls-cert %s: is valid from %s on; browsers will refuse it until then", f.cert, leaf.NotBefore.Format(time.DateTime)))
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, warnings, nil
}

// checkPEM finds what is wrong with a certificate and its key, in words.
func (f *serveFlags) checkPEM(cert, key []byte) error {
	certificates, keys := blocksOf(cert), blocksOf(key)
	first := func(blocks []*pem.Block, kind func(string) bool) *pem.Block {
		for _, b := range blocks {
			if kind(b.Type) {
				return b
			}
		}
		return nil
	}
	isCertificate := func(kind string) bool { return kind == "CERTIFICATE" }
	isKey := func(kind string) bool {
		return kind == "PRIVATE KEY" || kind == "ENCRYPTED PRIVATE KEY" || kind == "RSA PRIVATE KEY" || kind == "EC PRIVATE KEY"
	}
	leaf, secret := first(certificates, isCertificate), first(keys, isKey)
	switch {
	case leaf == nil && secret == nil && first(certificates, isKey) != nil && first(keys, isCertificate) != nil:
		return fmt.Errorf("--tls-cert %s holds the key and --tls-key %s the certificate: exchange the two", f.cert, f.key)
	case leaf == nil:
		return fmt.Errorf("--tls-cert %s: holds no certificate in PEM, -----BEGIN CERTIFICATE-----; give the certificate and those that it rests on", f.cert)
	case secret == nil:
		return fmt.Errorf("--tls-key %s: holds no private key in PEM, -----BEGIN PRIVATE KEY-----; give the key of %s", f.key, f.cert)
	case secret.Type == "ENCRYPTED PRIVATE KEY" || secret.Headers["DEK-Info"] != "":
		return fmt.Errorf("--tls-key %s: is encrypted; openssl pkey -in %[1]s -out plain.pem writes it without its passphrase", f.key)
	}
	return nil
}

func blocksOf(b []byte) (blocks []*pem.Block) {
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return blocks
		}
		blocks, b = append(blocks, block), rest
	}
}
