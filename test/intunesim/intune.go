package intunesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// The API versions of Intune's two services.
const (
	scepVersion = "2018-02-20"
	pkiVersion  = "5019-05-05"
)

// admit checks what all calls of Intune have in common: method, token, headers.
func (s *Server) admit(c *call, version string) (answer, bool) {
	if a, ok := only(c, http.MethodPost); !ok {
		return a, false
	}
	if err := s.entra.authorize(c, s.entra.isIntune, IntuneRole); err != nil {
		status := http.StatusUnauthorized
		if errors.Is(err, errMissingRole) {
			status = http.StatusForbidden
		}
		return intuneError(c, status, err.Error()), false
	}
	media, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return intuneError(c, http.StatusUnsupportedMediaType, "content-type must be application/json"), false
	}
	switch {
	case c.Header.Get("api-version") != version:
		return intuneError(c, http.StatusBadRequest, "api-version must be "+version), false
	case uuid.Validate(c.Header.Get("client-request-id")) != nil:
		return intuneError(c, http.StatusBadRequest, "client-request-id must be a UUID"), false
	case strings.TrimSpace(c.Header.Get("UserAgent")) == "":
		return intuneError(c, http.StatusBadRequest, "the header UserAgent is missing"), false
	case !utf8.Valid(c.body):
		return intuneError(c, http.StatusBadRequest, "the body is not UTF-8"), false
	}
	return answer{}, true
}

// intuneResult is the answer of the SCEP service, refusals included: they too
// are HTTP 200.
func intuneResult(c *call, code, description string) answer {
	return jsonAnswer(http.StatusOK, map[string]string{
		"@odata.context":   c.base + "/$metadata#ScepActions",
		"code":             code,
		"errorDescription": description,
	})
}

// intuneError is an error answer of Intune: JSON within a string within JSON.
func intuneError(c *call, status int, message string) answer {
	code := strings.ReplaceAll(http.StatusText(status), " ", "")
	if status == http.StatusInternalServerError {
		code = "InternalError"
	}
	inner, err := json.Marshal(map[string]any{
		"_version": 3,
		"Message": fmt.Sprintf("%s - Operation ID (for customer support): %s - Activity ID: %s - Url: %s%s",
			message, uuid.Nil, c.Header.Get("client-request-id"), c.base, c.URL.Path),
		"CustomApiErrorPhrase": "",
		"RetryAfter":           nil,
		"ErrorSourceService":   "",
		"HttpHeaders":          "{}",
	})
	if err != nil {
		panic(err)
	}
	a := jsonAnswer(status, map[string]any{"error": map[string]string{"code": code, "message": string(inner)}})
	if status == http.StatusUnauthorized {
		a = a.with("WWW-Authenticate", "Bearer")
	}
	return a
}

func intuneNotFound(c *call) answer {
	return intuneError(c, http.StatusNotFound, "there is nothing here")
}
