// Package api serves the part of TiCDC's HTTP API v2 that manages changefeeds,
// see https://docs.pingcap.com/tidb/v8.5/ticdc-open-api-v2.
package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/google/uuid"

	"helfy/devstack/feed"
	"helfy/devstack/feed/changefeed"
)

// Version is what the API says that it is: the TiCDC whose behaviour and
// messages are reproduced.
const Version = "v8.5.5"

const maxBody = 1 << 20

type api struct{ feeds *feed.Manager }

// Handler serves the API for the changefeeds of m.
func Handler(m *feed.Manager) http.Handler {
	a := api{feeds: m}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v2/health", a.health)
	mux.HandleFunc("GET /api/v2/status", a.status)
	mux.HandleFunc("POST /api/v2/changefeeds", a.create)
	mux.HandleFunc("GET /api/v2/changefeeds", a.list)
	mux.HandleFunc("GET /api/v2/changefeeds/{id}", a.get)
	mux.HandleFunc("GET /api/v2/changefeeds/{id}/status", a.feedStatus)
	mux.HandleFunc("POST /api/v2/changefeeds/{id}/pause", a.pause)
	mux.HandleFunc("POST /api/v2/changefeeds/{id}/resume", a.resume)
	mux.HandleFunc("PUT /api/v2/changefeeds/{id}", a.update)
	mux.HandleFunc("DELETE /api/v2/changefeeds/{id}", a.delete)
	return mux
}

type empty struct{}

func (a api) health(w http.ResponseWriter, _ *http.Request) { answer(w, empty{}) }

func (a api) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"version": Version, "git_hash": "", "id": "devstack", "cluster_id": "default",
		"pid": os.Getpid(), "is_owner": true, "liveness": 0,
	})
}

func (a api) create(w http.ResponseWriter, r *http.Request) {
	var request changefeed.Request
	if err := decode(w, r, &request); err != nil {
		fail(w, err)
		return
	}
	if request.ID == "" {
		request.ID = uuid.NewString()
	}
	s, err := a.feeds.Create(r.Context(), request)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, newInfo(s, false))
}

func (a api) update(w http.ResponseWriter, r *http.Request) {
	var request changefeed.Request
	if err := decode(w, r, &request); err != nil {
		fail(w, err)
		return
	}
	s, err := a.feeds.Update(r.Context(), r.PathValue("id"), request)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, newInfo(s, true))
}

func (a api) list(w http.ResponseWriter, r *http.Request) {
	state := feed.State(r.URL.Query().Get("state"))
	items := []item{}
	for _, s := range a.feeds.List() {
		if shown(s.State, state) {
			items = append(items, newItem(s))
		}
	}
	answer(w, map[string]any{"total": len(items), "items": items})
}

// shown: without a state TiCDC lists what is not finished.
func shown(state, wanted feed.State) bool {
	switch wanted {
	case "":
		return state != feed.Finished
	case "all":
		return true
	}
	return state == wanted
}

func (a api) get(w http.ResponseWriter, r *http.Request) {
	s, err := a.feeds.Get(r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, newInfo(s, true))
}

func (a api) feedStatus(w http.ResponseWriter, r *http.Request) {
	s, err := a.feeds.Get(r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, newStatus(s))
}

func (a api) pause(w http.ResponseWriter, r *http.Request) {
	done(w, a.feeds.Pause(r.PathValue("id")))
}

func (a api) resume(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Checkpoint uint64 `json:"overwrite_checkpoint_ts"`
	}
	if err := decode(w, r, &request); err != nil {
		fail(w, err)
		return
	}
	done(w, a.feeds.Resume(r.Context(), r.PathValue("id"), request.Checkpoint))
}

func (a api) delete(w http.ResponseWriter, r *http.Request) {
	done(w, a.feeds.Delete(r.PathValue("id")))
}

// decode ignores members that it does not know, as TiCDC, which on the other
// hand insists on a body.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return changefeed.Errorf(changefeed.ErrInvalidParam, "invalid api parameter: body: %v", err)
	}
	return nil
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, empty{})
}

func fail(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, changefeed.ErrUnexpected
	var coded *changefeed.Error
	if errors.As(err, &coded) {
		status, code = coded.Status(), coded.Code
	}
	write(w, status, map[string]string{"error_msg": err.Error(), "error_code": code})
}

func answer(w http.ResponseWriter, v any) { write(w, http.StatusOK, v) }

func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// A client that has gone away gets no answer; there is nobody to tell.
	_, _ = w.Write(body)
}
