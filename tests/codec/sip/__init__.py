"""SIP codec."""
