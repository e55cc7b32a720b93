package main

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
)

// bill is a row with all columns that FOCUS 1.4 has as mandatory, and Tags and ResourceId, of the types that AWS exports.
type bill struct {
	BilledCost          float64           `parquet:"BilledCost"`
	EffectiveCost       float64           `parquet:"EffectiveCost"`
	ListCost            float64           `parquet:"ListCost"`
	ContractedCost      float64           `parquet:"ContractedCost"`
	PricingQuantity     *float64          `parquet:"PricingQuantity"`
	BillingPeriodStart  time.Time         `parquet:"BillingPeriodStart,timestamp(millisecond)"`
	BillingPeriodEnd    time.Time         `parquet:"BillingPeriodEnd,timestamp(millisecond)"`
	ChargePeriodStart   time.Time         `parquet:"ChargePeriodStart,timestamp(millisecond)"`
	ChargePeriodEnd     time.Time         `parquet:"ChargePeriodEnd,timestamp(millisecond)"`
	BillingAccountID    string            `parquet:"BillingAccountId,dict"`
	BillingAccountName  *string           `parquet:"BillingAccountName,dict"`
	BillingCurrency     string            `parquet:"BillingCurrency,dict"`
	ChargeCategory      string            `parquet:"ChargeCategory,dict"`
	ChargeClass         *string           `parquet:"ChargeClass,dict"`
	ChargeDescription   *string           `parquet:"ChargeDescription,dict"`
	HostProviderName    string            `parquet:"HostProviderName,dict"`
	ServiceProviderName string            `parquet:"ServiceProviderName,dict"`
	InvoiceIssuerName   string            `parquet:"InvoiceIssuerName,dict"`
	ServiceCategory     string            `parquet:"ServiceCategory,dict"`
	ServiceName         string            `parquet:"ServiceName,dict"`
	PricingUnit         *string           `parquet:"PricingUnit,dict"`
	ResourceID          string            `parquet:"ResourceId,dict"`
	Tags                map[string]string `parquet:"Tags"`
}

var header = []string{
	"BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingQuantity",
	"BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd",
	"BillingAccountId", "BillingAccountName", "BillingCurrency", "ChargeCategory", "ChargeClass", "ChargeDescription",
	"HostProviderName", "ServiceProviderName", "InvoiceIssuerName", "ServiceCategory", "ServiceName", "PricingUnit",
	"ResourceId", "Tags",
}

// resource is something that is charged each hour.
type resource struct {
	id, service, category, description string
	price                              float64
	tags                               map[string]string
	tagsJSON                           string
}

// resources are 20,000 of 50 teams, each with tags that no other has. One in ten has no team.
func resources(random *rand.Rand) []resource {
	services := [][2]string{
		{"Amazon Elastic Compute Cloud", "Compute"}, {"Amazon Simple Storage Service", "Storage"},
		{"Amazon Relational Database Service", "Databases"}, {"AWS Lambda", "Compute"}, {"Amazon CloudWatch", "Management and Governance"},
		{"Elastic Load Balancing", "Networking"}, {"Amazon Elastic Block Store", "Storage"}, {"AWS Key Management Service", "Security"},
	}
	environments := []string{"dev", "staging", "prod"}
	const count, teams = 20_000, 50
	all := make([]resource, count)
	for i := range all {
		service := services[random.IntN(len(services))]
		team := random.IntN(teams)
		tags := map[string]string{"Name": fmt.Sprintf("worker-%05d", i), "owner": fmt.Sprintf("group-%d@example.com", team)}
		if random.IntN(10) > 0 {
			tags["team"] = fmt.Sprintf("team-%02d", team)
			tags["environment"] = environments[random.IntN(len(environments))]
			tags["component"] = fmt.Sprintf("component-%02d-%d", team, random.IntN(8))
		}
		text, err := json.Marshal(tags)
		if err != nil {
			panic(err)
		}
		all[i] = resource{
			id:      fmt.Sprintf("arn:aws:service:eu-central-1:123456789012:resource/%08x%08x", random.Uint32(), random.Uint32()),
			service: service[0], category: service[1], price: 0.01 + random.Float64(), tags: tags, tagsJSON: string(text),
			description: fmt.Sprintf("$%.4f per hour, class %d", random.Float64(), random.IntN(300)),
		}
	}
	return all
}

// generate writes the same rows in each of the formats.
func generate(rows int, plain, packed, columnar string) error {
	csvFile, err := create(plain)
	if err != nil {
		return err
	}
	gzipFile, err := create(packed)
	if err != nil {
		return err
	}
	parquetFile, err := create(columnar)
	if err != nil {
		return err
	}
	zipped := gzip.NewWriter(gzipFile)
	text := csv.NewWriter(io.MultiWriter(csvFile, zipped))
	columns := parquet.NewGenericWriter[bill](parquetFile, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(250_000))
	if err := text.Write(header); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // the same figures each time
	all := resources(random)
	batch := make([]bill, 0, 1000)
	for i := range rows {
		batch = append(batch, charge(random, all, i))
		if err := text.Write(cells(&batch[len(batch)-1], &all[i%len(all)])); err != nil {
			return err
		}
		if len(batch) == cap(batch) || i == rows-1 {
			if _, err := columns.Write(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	text.Flush()
	return errors.Join(text.Error(), zipped.Close(), columns.Close(), csvFile.close(), gzipFile.close(), parquetFile.close())
}

func charge(random *rand.Rand, all []resource, i int) bill {
	r := &all[i%len(all)]
	month := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	start := month.Add(time.Duration(i/len(all)*7%(30*24)) * time.Hour)
	account, unit, cost := "Production", "Hours", float64(int(r.price*(1+random.Float64()/10)*1e10))/1e10
	b := bill{
		BilledCost: cost, EffectiveCost: cost * 0.875, ListCost: cost * 1.25, ContractedCost: cost,
		BillingPeriodStart: month, BillingPeriodEnd: month.AddDate(0, 1, 0), ChargePeriodStart: start, ChargePeriodEnd: start.Add(time.Hour),
		BillingAccountID: "123456789012", BillingAccountName: &account, BillingCurrency: "USD", ChargeCategory: "Usage", ChargeDescription: &r.description,
		HostProviderName: "AWS", ServiceProviderName: "AWS", InvoiceIssuerName: "Amazon Web Services, Inc.",
		ServiceCategory: r.category, ServiceName: r.service, PricingUnit: &unit, ResourceID: r.id, Tags: r.tags,
	}
	quantity := random.Float64()
	b.PricingQuantity = &quantity
	switch random.IntN(200) {
	case 0:
		b.ChargeCategory, b.BilledCost, b.EffectiveCost = "Credit", -b.BilledCost, -b.EffectiveCost
	case 1:
		class := "Correction"
		b.ChargeClass = &class
	case 2:
		b.ChargeCategory, b.PricingQuantity, b.PricingUnit = "Tax", nil, nil
	}
	return b
}

func cells(b *bill, r *resource) []string {
	number := func(f *float64) string {
		if f == nil {
			return ""
		}
		return strconv.FormatFloat(*f, 'f', -1, 64)
	}
	word := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	at := func(t time.Time) string { return t.Format(time.RFC3339) }
	return []string{
		number(&b.BilledCost), number(&b.EffectiveCost), number(&b.ListCost), number(&b.ContractedCost), number(b.PricingQuantity),
		at(b.BillingPeriodStart), at(b.BillingPeriodEnd), at(b.ChargePeriodStart), at(b.ChargePeriodEnd),
		b.BillingAccountID, word(b.BillingAccountName), b.BillingCurrency, b.ChargeCategory, word(b.ChargeClass), word(b.ChargeDescription),
		b.HostProviderName, b.ServiceProviderName, b.InvoiceIssuerName, b.ServiceCategory, b.ServiceName, word(b.PricingUnit),
		b.ResourceID, r.tagsJSON,
	}
}

// output is a file that is written in large pieces.
type output struct {
	*bufio.Writer
	file *os.File
}

func create(name string) (*output, error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &output{Writer: bufio.NewWriterSize(file, 1<<20), file: file}, nil
}

func (o *output) close() error { return errors.Join(o.Flush(), o.file.Close()) }
