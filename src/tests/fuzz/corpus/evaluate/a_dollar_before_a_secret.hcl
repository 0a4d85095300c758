check "web" {
  url     = "https://web.example.com/"
  headers = { x-token = "${"$"}${secret("tok")}" }

  assert {
    condition     = response.status == 200 && "\u0024${response.status}" == "$200"
    error_message = "%${response.status}\u0025%{ if response.status > 1 }!%{ endif }"
  }
}
