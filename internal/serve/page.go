package serve

import (
	"embed"
	"io/fs"
	"net/http"
)

// web is the page of the browser: web/index.html at /, all else of web at /static/.
//
//go:embed web
var web embed.FS

func registerPage(mux *http.ServeMux) {
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "index.html") })
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(onlyFiles{files})))
}

// onlyFiles are files without the listings of their folders.
type onlyFiles struct{ fs.FS }

func (f onlyFiles) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || info.IsDir() {
		file.Close()
		return nil, fs.ErrNotExist
	}
	return file, nil
}
