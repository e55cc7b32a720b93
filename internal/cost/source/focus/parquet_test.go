package focus_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/towpath-dev/towpath/internal/cost/source/focus"
)

// aws is a row as AWS exports it; azure as Spark writes it, with decimals and text.
type aws struct {
	BilledCost         float64           `parquet:"BilledCost"`
	EffectiveCost      float64           `parquet:"EffectiveCost"`
	BillingCurrency    string            `parquet:"BillingCurrency,dict"`
	ChargeCategory     string            `parquet:"ChargeCategory,dict"`
	Tags               map[string]string `parquet:"Tags,optional"`
	ServiceName        *string           `parquet:"ServiceName,optional"`
	ServiceCategory    string            `parquet:"ServiceCategory"`
	ChargePeriodStart  time.Time         `parquet:"ChargePeriodStart,timestamp(millisecond)"`
	ChargePeriodEnd    time.Time         `parquet:"ChargePeriodEnd,timestamp(microsecond)"`
	BillingPeriodStart time.Time         `parquet:"BillingPeriodStart,timestamp(nanosecond)"`
	ProviderName       string            `parquet:"ProviderName"`
	PublisherName      string            `parquet:"PublisherName"`
	ResourceID         string            `parquet:"ResourceId"`
}

type azure struct {
	BilledCost         int64   `parquet:"billed_cost,decimal(10:18)"`
	EffectiveCost      *int64  `parquet:"effective_cost,decimal(4:18),optional"`
	BillingCurrency    string  `parquet:"billing_currency"`
	ChargeCategory     string  `parquet:"charge_category"`
	ServiceName        string  `parquet:"service_name"`
	ChargePeriodStart  int32   `parquet:"charge_period_start,date"`
	BillingPeriodStart string  `parquet:"billing_period_start"`
	ProviderName       string  `parquet:"service_provider_name"`
	CommitmentStatus   *string `parquet:"commitment_discount_status,optional"`
	Tags               *string `parquet:"tags,optional"`
}

func columnar[T any](t testing.TB, rows []T, options ...parquet.WriterOption) string {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func awsRows(n int) []aws {
	compute := "Compute"
	rows := make([]aws, n)
	for i := range rows {
		start := time.Date(2026, time.November, 1+i%3, 5, 0, 0, 0, time.UTC)
		rows[i] = aws{
			BilledCost: 0.1, EffectiveCost: 1e-7, BillingCurrency: "USD", ChargeCategory: "Usage", ServiceName: &compute, ServiceCategory: "Other",
			ChargePeriodStart: start, ChargePeriodEnd: start.Add(time.Hour), BillingPeriodStart: time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC),
			ProviderName: "AWS", PublisherName: "AWS", ResourceID: fmt.Sprint("i-", i),
		}
		switch i % 4 {
		case 0:
			rows[i].Tags = map[string]string{"team": "shop", "Name": fmt.Sprint("x", i)}
		case 1:
			rows[i].Tags = map[string]string{"a": "b", "environment": "prod", "team": "bank", "component": "ledger"}
		case 2:
			rows[i].ServiceName = nil
			rows[i].Tags = map[string]string{}
		}
	}
	return rows
}

func TestRead_ParquetOfAWS(t *testing.T) {
	rows := awsRows(3000)
	// The same as CSV.
	var text strings.Builder
	text.WriteString("BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ServiceName,ServiceCategory,ChargePeriodStart,BillingPeriodStart,ProviderName,Tags\n")
	for _, row := range rows {
		service, tags := "", ""
		if row.ServiceName != nil {
			service = *row.ServiceName
		}
		if row.Tags["team"] != "" {
			object, err := json.Marshal(row.Tags)
			if err != nil {
				t.Fatal(err)
			}
			tags = `"` + strings.ReplaceAll(string(object), `"`, `""`) + `"`
		}
		fmt.Fprintf(&text, "0.1,0.0000001,USD,Usage,%s,Other,%s,2026-11-01,AWS,%s\n", service, row.ChargePeriodStart.Format(time.RFC3339), tags)
	}
	want, err := read(t, "a.csv", text.String(), options())
	if err != nil {
		t.Fatal(err)
	}
	for name, writer := range map[string][]parquet.WriterOption{
		"snappy, version 2 pages": {parquet.Compression(&parquet.Snappy)},
		"gzip, version 1 pages":   {parquet.Compression(&parquet.Gzip), parquet.DataPageVersion(1)},
		"gzip, version 2 pages":   {parquet.Compression(&parquet.Gzip), parquet.DataPageVersion(2)},
		"zstd":                    {parquet.Compression(&parquet.Zstd)},
		"small pages and groups":  {parquet.PageBufferSize(500), parquet.MaxRowsPerRowGroup(700)},
	} {
		got, err := read(t, "a.parquet", columnar(t, rows, writer...), options())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(want.Report, got.Report); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRead_ParquetOfAWarehouse(t *testing.T) {
	effective, unused, tags, null := int64(-12345), "Unused", `{"team":"shop"}`, "NULL"
	rows := []azure{
		{BilledCost: 15_000_000_001, EffectiveCost: &effective, BillingCurrency: "EUR", ChargeCategory: "Usage", ServiceName: "VM",
			ChargePeriodStart: 20758, BillingPeriodStart: "2026-11-01T00:00:00Z", ProviderName: "Microsoft", Tags: &tags},
		{BilledCost: 1, BillingCurrency: "EUR", ChargeCategory: "Usage", ServiceName: "VM",
			ChargePeriodStart: 20758, BillingPeriodStart: "2026-11-01T00:00:00Z", ProviderName: "Microsoft", CommitmentStatus: &unused, Tags: &null},
	}
	got, err := read(t, "a.parquet", columnar(t, rows), options())
	if err != nil {
		t.Fatal(err)
	}
	const want = `2026-11 2026-11-01 team= environment= component= "VM" Usage unused EUR billed=0.0000000001 effective=0 settles=2026-11-04
2026-11 2026-11-01 team=shop environment= component= "VM" Usage EUR billed=1.5000000001 effective=-1.2345 settles=2026-11-04
`
	if diff := cmp.Diff(want, lines(got)); diff != "" {
		t.Error(diff)
	}
	if got.Report.NoAmount != 1 || got.Report.BadTags != 0 {
		t.Errorf("it reports %+v", got.Report)
	}
}

// TestRead_ParquetThatIsCut cuts a file at many places, and damages it at many: no cut is read, and damage never brings the manager
// down.
func TestRead_ParquetThatIsCut(t *testing.T) {
	text := columnar(t, awsRows(200), parquet.Compression(&parquet.Snappy))
	for cut := 0; cut < len(text); cut += 97 {
		if got, err := read(t, "a.parquet", text[:cut], options()); err == nil {
			t.Errorf("cut at %d, it is read: %s", cut, lines(got))
		}
	}
	for at := 4; at < len(text); at += 31 {
		b := []byte(text)
		b[at] ^= 0xff
		_, _ = read(t, "a.parquet", string(b), options())
	}
}

func TestRead_ParquetThatIsTooLarge(t *testing.T) {
	rows, small := awsRows(2), options()
	rows[0].Tags = map[string]string{"team": strings.Repeat("x", 2000)}
	small.Limits = focus.Limits{Cell: 1000}
	if _, err := read(t, "a.parquet", columnar(t, rows), small); !errors.Is(err, focus.ErrLimit) || !strings.Contains(err.Error(), "row 1, column Tags") {
		t.Errorf("a tag of 2,000 bytes: %v", err)
	}
	long := strings.Repeat("x", 200<<10)
	rows[0].ServiceName = &long
	small.Limits = focus.Limits{Page: 100 << 10}
	for name, codec := range map[string]compress.Codec{"gzip": &parquet.Gzip, "snappy": &parquet.Snappy, "none": &parquet.Uncompressed} {
		_, err := read(t, "a.parquet", columnar(t, rows, parquet.Compression(codec)), small)
		if !errors.Is(err, focus.ErrLimit) || !strings.Contains(err.Error(), "column ServiceName") || !strings.Contains(err.Error(), "a page") {
			t.Errorf("%s: a page of 200 kB: %.300v", name, err)
		}
	}
}

func TestRead_ParquetOfOtherTypes(t *testing.T) {
	type odd struct {
		BilledCost bool `parquet:"BilledCost"`
	}
	if _, err := read(t, "a.parquet", columnar(t, []odd{{}}), options()); err == nil || !strings.Contains(err.Error(), "columns are missing: BillingCurrency") {
		t.Errorf("columns that are missing: %v", err)
	}
	type boolean struct {
		BilledCost, EffectiveCost                                         bool
		BillingCurrency, ChargeCategory, ServiceName, ServiceProviderName string
		ChargePeriodStart, BillingPeriodStart                             string
	}
	if _, err := read(t, "a.parquet", columnar(t, []boolean{{}}), options()); err == nil || !strings.Contains(err.Error(), "column BilledCost: its type is BOOLEAN") {
		t.Errorf("money that is true: %v", err)
	}
}

// liar is a codec whose pages unpack to something else than their headers say.
type liar struct {
	compress.Codec
	packed []byte
}

func (l liar) Encode(to, _ []byte) ([]byte, error) { return append(to[:0], l.packed...), nil }

func TestRead_ParquetWhosePagesUnpackToMoreThanTheySay(t *testing.T) {
	rows := awsRows(50)
	zeros := make([]byte, 40<<20)
	var roomy bytes.Buffer // a frame of Zstandard that says that it has 48 GiB, for which its reader makes room
	roomy.Write([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x50, 0, 0, 0, 0, 12, 0, 0, 0, 0x09, 0, 0, 'x'})
	pages := map[string]liar{
		"a frame of 48 GiB": {&parquet.Zstd, roomy.Bytes()},
		// Its reader makes room for twice as much until it fits, which it never does.
		"LZ4 that is damaged":   {&parquet.Lz4Raw, []byte{0xff, 0xff, 0xff}},
		"Snappy that says more": {&parquet.Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}},
		"nothing that unpacks":  {&parquet.Zstd, []byte("this is no Zstandard")},
	}
	for name, codec := range map[string]compress.Codec{
		"gzip": &parquet.Gzip, "zstd": &parquet.Zstd, "brotli": &parquet.Brotli, "lz4": &parquet.Lz4Raw, "snappy": &parquet.Snappy,
	} {
		packed, err := codec.Encode(nil, zeros)
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = liar{codec, packed}
	}
	for name, lying := range pages {
		for _, version := range []int{1, 2} {
			text := columnar(t, rows, parquet.Compression(lying), parquet.DataPageVersion(version))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := read(t, "a.parquet", text, options())
			runtime.ReadMemStats(&after)
			if !errors.Is(err, focus.ErrLimit) && !errors.Is(err, focus.ErrIncomplete) || !strings.Contains(err.Error(), "a page") {
				t.Errorf("%s, pages of version %d: %.300v", name, version, err)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > uint64(24<<20+2*len(text)) {
				t.Errorf("%s, pages of version %d: it takes %d MiB", name, version, got>>20)
			}
		}
	}
}

func TestRead_ParquetOfEachCodec(t *testing.T) {
	rows := awsRows(300)
	want, err := read(t, "a.parquet", columnar(t, rows, parquet.Compression(&parquet.Uncompressed)), options())
	if err != nil {
		t.Fatal(err)
	}
	for name, codec := range map[string]compress.Codec{
		"gzip": &parquet.Gzip, "zstd": &parquet.Zstd, "brotli": &parquet.Brotli, "lz4": &parquet.Lz4Raw, "snappy": &parquet.Snappy,
	} {
		for _, version := range []int{1, 2} {
			got, err := read(t, "a.parquet", columnar(t, rows, parquet.Compression(codec), parquet.DataPageVersion(version)), options())
			if err != nil {
				t.Errorf("%s, pages of version %d: %v", name, version, err)
				continue
			}
			if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
				t.Errorf("%s, pages of version %d: %s", name, version, diff)
			}
		}
	}
}

// TestRead_ParquetOfManyValuesInAFewBytes has a value that is there so often that a page of it is small, and what is made of it large.
func TestRead_ParquetOfManyValuesInAFewBytes(t *testing.T) {
	small := options()
	small.Limits = focus.Limits{Page: 200 << 10}
	type row struct {
		BillingCurrency                                                                                             string `parquet:",dict"`
		BilledCost, EffectiveCost, ChargeCategory, ServiceName, ProviderName, ChargePeriodStart, BillingPeriodStart string `parquet:",dict"`
	}
	rows := make([]row, 60_000)
	text := columnar(t, rows, parquet.Compression(&parquet.Snappy), parquet.PageBufferSize(4<<20))
	if _, err := read(t, "a.parquet", text, small); !errors.Is(err, focus.ErrLimit) || !strings.Contains(err.Error(), "values or more, and may have 51200") {
		t.Errorf("it says %.300v", err)
	}
}
