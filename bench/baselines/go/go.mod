module swift-iocp/bench/echo-go

go 1.19
