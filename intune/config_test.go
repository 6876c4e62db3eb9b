package intune

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

func TestEachCloudHasItsAddressesAndScopes(t *testing.T) {
	for _, test := range []struct {
		cloud                            Cloud
		own                              Endpoints
		login, graphScope, scope, lookup string
		hosts                            string
	}{
		{"", Endpoints{}, "https://login.microsoftonline.com/", "https://graph.microsoft.com/.default",
			"https://api.manage.microsoft.com//.default", "https://graph.microsoft.com/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints", "manage.microsoft.com"},
		{CloudPublic, Endpoints{}, "https://login.microsoftonline.com/", "https://graph.microsoft.com/.default",
			"https://api.manage.microsoft.com//.default", "https://graph.microsoft.com/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints", "manage.microsoft.com"},
		{CloudUSGov, Endpoints{}, "https://login.microsoftonline.us/", "https://graph.microsoft.us/.default",
			"https://api.manage.microsoft.us//.default", "https://graph.microsoft.us/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints", "manage.microsoft.us"},
		{CloudDoD, Endpoints{}, "https://login.microsoftonline.us/", "https://dod-graph.microsoft.us/.default",
			"https://api.manage.microsoft.us//.default", "https://dod-graph.microsoft.us/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints", "manage.microsoft.us"},
		{CloudChina, Endpoints{Intune: "https://intune.example.cn"}, "https://login.partner.microsoftonline.cn/", "https://microsoftgraph.chinacloudapi.cn/.default",
			"https://intune.example.cn//.default", "https://microsoftgraph.chinacloudapi.cn/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints", "manage.microsoftonline.cn intune.example.cn"},
		{CloudPublic, Endpoints{Login: "https://login.example/", Graph: "https://graph.example", Intune: "https://Intune.Example:8443/"},
			"https://login.example/", "https://graph.example/.default", "https://Intune.Example:8443//.default",
			"https://graph.example/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints", "manage.microsoft.com intune.example"},
	} {
		t.Run(string(test.cloud)+" "+test.own.Login, func(t *testing.T) {
			asked := scopesAndAddresses(t, test.cloud, test.own)
			want := map[string]string{
				"login": test.login + stubTenant, "graph scope": test.graphScope, "scope": test.scope, "lookup": test.lookup, "hosts": test.hosts,
			}
			for what, value := range want {
				if asked[what] != value {
					t.Errorf("%s is %q, want %q", what, asked[what], value)
				}
			}
		})
	}
}

func TestAWrongConfigurationNamesTheField(t *testing.T) {
	for _, test := range []struct {
		field  string
		change func(*Config)
	}{
		{"credential", func(c *Config) { c.Credential = nil }},
		{"credential", func(c *Config) { c.Credential = ClientSecret("") }},
		{"credential", func(c *Config) { c.Credential = SecretFile("/does/not/exist") }},
		{"credential", func(c *Config) { c.Credential = SecretEnv("INTUNE_TEST_NOT_SET") }},
		{"credential", func(c *Config) { c.Credential = FederatedTokenFile("/does/not/exist") }},
		{"credential", func(c *Config) { c.Credential = ClientCertificate(nil, nil) }},
		{"credential", func(c *Config) { c.Credential = ManagedIdentity("") }},
		{"tenant", func(c *Config) { c.Tenant = "" }},
		{"tenant", func(c *Config) { c.Tenant = "common" }},
		{"tenant", func(c *Config) { c.Tenant = "contoso/../other" }},
		{"clientID", func(c *Config) { c.ClientID = "my app" }},
		{"cloud", func(c *Config) { c.Cloud = "moon" }},
		{"endpoints.intune", func(c *Config) { c.Cloud = CloudChina }},
		{"endpoints.login", func(c *Config) { c.Endpoints.Login = "http://login.example/" }},
		{"endpoints.graph", func(c *Config) { c.Endpoints.Graph = "graph.example" }},
		{"endpoints.intune", func(c *Config) { c.Endpoints.Intune = "https://user:pass@x/" }},
		{"endpoints.intune", func(c *Config) { c.Endpoints.Intune = "user:pass@x" }},
		{"endpoints.intune", func(c *Config) { c.Endpoints.Intune = "https:user:pass@x/" }},
		{"endpoints.intune", func(c *Config) { c.Endpoints.Intune = "https://user:pass@%zz/" }},
		{"endpoints.intune", func(c *Config) { c.Endpoints.Intune = "https://x/?q" }},
		{"endpoints.intune", func(c *Config) { c.Endpoints.Intune = "https://x:y/" }},
		{"allowedServiceHosts", func(c *Config) { c.AllowedServiceHosts = []string{"https://x.example"} }},
		{"allowedServiceHosts", func(c *Config) { c.AllowedServiceHosts = []string{"*.example"} }},
		{"allowedServiceHosts", func(c *Config) { c.AllowedServiceHosts = []string{""} }},
		{"allowedServiceHosts", func(c *Config) { c.AllowedServiceHosts = []string{} }},
		{"allowedServiceHosts", func(c *Config) { c.AllowedServiceHosts = []string{"x.example:443"} }},
		{"tls", func(c *Config) { c.base = nil; c.TLS = &tls.Config{InsecureSkipVerify: true} }},
		{"tls", func(c *Config) { c.base = nil; c.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} }},
		{"timeout", func(c *Config) { c.Timeout = -time.Second }},
		{"retries", func(c *Config) { c.Retries = -1 }},
		{"retries", func(c *Config) { c.Retries = 11 }},
		{"callerInfo", func(c *Config) { c.CallerInfo = " " }},
		{"callerInfo", func(c *Config) { c.CallerInfo = "CA\r\nX: y" }},
	} {
		cfg := stubConfig(&stub{})
		test.change(&cfg)
		_, err := New(cfg)
		if err == nil || !strings.HasPrefix(err.Error(), test.field+": ") {
			t.Errorf("%s: got %v", test.field, err)
		}
		if err != nil && strings.Contains(err.Error(), "pass@") {
			t.Errorf("a password stands in %v", err)
		}
	}
}

func TestTokensGoToAllowedHostsOnly(t *testing.T) {
	hosts, err := parseHosts([]string{"manage.microsoft.com", "Sim.Example.", "127.0.0.1", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for uri, good := range map[string]bool{
		"https://manage.microsoft.com/x":                   true,
		"https://fef.msua06.manage.microsoft.com/RACerts/": true,
		"https://FEF.Manage.Microsoft.COM:8443/x":          true,
		"https://sim.example/":                             true,
		"https://127.0.0.1:1234/x":                         true,
		"https://[::1]:1234/x":                             true,
		"http://fef.manage.microsoft.com/x":                false,
		"https://evilmanage.microsoft.com/x":               false,
		"https://manage.microsoft.com.evil.example/x":      false,
		"https://evil.example/manage.microsoft.com":        false,
		"https://manage.microsoft.com@evil.example/":       false,
		"https://u:p@manage.microsoft.com/":                false,
		"https://fef.manage.microsoft.com/x?y":             false,
		"https://fef.manage.microsoft.com/x#y":             false,
		"https://1.127.0.0.1/":                             false,
		"https://microsoft.com/":                           false,
		"https://evil.example%2f.manage.microsoft.com/":    false,
		"https://evil。example\u2024manage.microsoft.com/":  false,
		"https://evil.example\\.manage.microsoft.com/":     false,
		"https:///x":                       false,
		"":                                 false,
		"//fef.manage.microsoft.com/x":     false,
		"ftp://fef.manage.microsoft.com/x": false,
		"https://fef.manage.microsoft.com:443/RACerts/Stateless": true,
	} {
		if _, err := hosts.check(uri); (err == nil) != good {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if u, err := hosts.check("https://sim.example/a//"); err != nil || u.String() != "https://sim.example/a" {
		t.Errorf("closing slashes stay: %v, %v", u, err)
	}
}
